/// How a server process divides the descriptors that it may have.
enum DescriptorBudget {
  /// How many files the cache may keep open: the limit of descriptors, less those for the store and
  /// the requests under way.
  static var cache: Int { min(900, Processes.descriptorLimit - 100) }

  /// The same for the mount of a guest, each of which has a cache of its own.
  static var cacheOfGuest: Int { min(900, (Processes.descriptorLimit - 100) / 8) }

  /// The same if files are kept open: the cache then has only those that are read and written.
  static var smallCache: Int { min(900, Processes.descriptorLimit / 8) }

  /// How many files may be kept open.
  static var keptFiles: Int { max(Processes.descriptorLimit - smallCache - 100, 1) }
}
