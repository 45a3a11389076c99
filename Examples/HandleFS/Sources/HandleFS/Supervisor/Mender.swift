internal import SystemPackage

/// A process that checks the store and repairs it while no server has it open. It is not the
/// supervisor itself, because a damaged store may crash the process that reads it.
struct Mender {
  private let id: Int32
  /// A descriptor that becomes readable when the process ends; `nil` after ``reap()``.
  private(set) var process: FileDescriptor?

  /// - Parameter session: the process inherits the directory of the store as descriptor 3, and the file
  ///   that the mounts of the store lock as descriptor 4.
  init(_ session: SessionDescriptors, _ options: MountOptions, _ inBackground: Bool) throws {
    let flags =
      ["--mountpoint=\(options.mountpoint)", "--log-format", options.logFormat.rawValue]
      + (inBackground ? ["--background"] : [])
    id = try Processes.spawn(
      Processes.program, arguments: ["mend"] + flags, descriptors: [session.store, session.sharing])
    process = try Processes.descriptor(of: id)
  }

  mutating func reap() {
    try? process?.close()
    process = nil
    Processes.reap(id)
  }
}
