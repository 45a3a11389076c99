internal import Synchronization
internal import SystemPackage

/// Hands out node ids, each once: from a range whose end is on the disk before its first id is used.
struct IDAllocator {
  /// How many ids are reserved at a time: one fsync each. What a killed process did not use of its
  /// range is never used.
  static let rangeSize: UInt64 = 1 << 20

  /// What the disk has; shared, so that a copy of the allocator is a few words.
  private final class Reservation: Sendable {
    let state: Mutex<StateFile>
    let directory: OpenDirectory
    let isMade = Atomic(false)

    init(_ state: StateFile, _ directory: OpenDirectory) {
      self.state = Mutex(state)
      self.directory = directory
    }

    /// Puts the end of a range that begins at `bound` on the disk, unless it is there: a copy of the
    /// allocator that was not kept may have reserved the range.
    func extend(from bound: UInt64) throws -> UInt64 {
      try state.withLock { state in
        if state.idBound == bound {
          var reserved = state
          let (sum, overflow) = bound.addingReportingOverflow(IDAllocator.rangeSize)
          guard !overflow else { throw StoreError.damaged("its file `state` has no ids left") }
          reserved.idBound = sum
          try reserved.write(in: directory)
          state = reserved
          isMade.store(true, ordering: .relaxed)
        }
        return state.idBound
      }
    }
  }

  private let reservation: Reservation
  private var upcoming: UInt64
  private var bound: UInt64

  /// Continues above everything that may have been handed out.
  init(state: StateFile, directory: OpenDirectory) {
    reservation = Reservation(state, directory)
    upcoming = state.idBound
    bound = state.idBound
  }

  /// Whether a range was reserved since the store was opened.
  var hasReserved: Bool { reservation.isMade.load(ordering: .relaxed) }

  /// The id that ``take()`` uses up, reserving a range first where none is left.
  mutating func next() throws -> NodeID {
    if upcoming == bound { bound = try reservation.extend(from: bound) }
    return NodeID(rawValue: upcoming)
  }

  mutating func take() { upcoming += 1 }

  /// Where a copy of a store continues: at a random place at least 2⁴⁰ above what the original had
  /// handed out. The place lies in the lowest sixteenth of what is left below 2⁶⁰ (a file of pins has
  /// room for no more), so that two copies hardly ever meet and a copy of a copy, a hundred times over,
  /// still has room.
  static func boundOfCopy(_ bound: UInt64) throws(StoreError) -> UInt64 {
    let least = bound.saturatingAdd(1 << 40)
    let limit: UInt64 = 1 << 60
    guard least < limit else { throw .damaged("its file `state` has no ids left for a copy") }
    return least + .random(in: 0...(limit - least) / 16)
  }

  /// The state of a store that is closed: what was reserved and not used can be.
  var closedState: StateFile {
    var closed = reservation.state.withLock { $0 }
    closed.idBound = upcoming
    closed.session = .closed
    return closed
  }
}
