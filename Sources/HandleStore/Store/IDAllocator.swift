internal import SystemPackage

/// Hands out node ids, each once: from a range whose end is on the disk before its first id is used.
struct IDAllocator {
  /// How many ids are reserved at a time: one fsync each. What a killed process did not use of its
  /// range is never used.
  static let rangeSize: UInt64 = 1 << 20

  private let directory: FilePath
  /// What the disk has.
  private(set) var state: StateFile
  private var upcoming: UInt64

  /// Continues above everything that may have been handed out.
  init(state: StateFile, directory: FilePath) {
    self.state = state
    self.directory = directory
    upcoming = state.idBound
  }

  /// The id that ``take()`` uses up, reserving a range first where none is left.
  mutating func next() throws -> NodeID {
    if upcoming == state.idBound {
      var reserved = state
      reserved.idBound += Self.rangeSize
      try reserved.write(in: directory)
      state = reserved
    }
    return NodeID(rawValue: upcoming)
  }

  mutating func take() { upcoming += 1 }

  /// The state of a store that is closed: what was reserved and not used can be.
  var closedState: StateFile {
    var closed = state
    closed.idBound = upcoming
    closed.session = .closed
    return closed
  }
}
