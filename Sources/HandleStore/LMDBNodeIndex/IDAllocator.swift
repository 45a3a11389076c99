internal import HandleLocks
internal import Synchronization
internal import SystemPackage

/// Hands out node ids, each only once. It takes them from a range, and writes the end of a range to
/// the disk before it uses the first id.
struct IDAllocator {
  /// How many ids are reserved at a time, each time with one write of the file `state`. Ids that a
  /// killed process left unused are never used.
  static let rangeSize: UInt64 = 1 << 20

  /// The session's state and its reservation on the disk. Copies of the allocator share it.
  private final class Reservation: Sendable {
    let state: Locked<StateFile>
    let directory: OpenDirectory
    let isMade = Atomic(false)
    /// Whether the state is on the disk.
    let hasBegun: Atomic<Bool>

    init(_ state: StateFile, hasBegun: Bool, _ directory: OpenDirectory) {
      self.state = Locked(state)
      self.hasBegun = Atomic(hasBegun)
      self.directory = directory
    }

    func begin() throws {
      guard !hasBegun.load(ordering: .acquiring) else { return }
      try state.withLock { try $0.write(in: directory) }
      hasBegun.store(true, ordering: .releasing)
    }

    /// Reserves the range that begins at `bound`, and returns its end. Writes nothing if the range
    /// is already reserved: a transaction that was undone may have done that.
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

  /// The next id, and the end of its range.
  struct Position {
    fileprivate var upcoming, bound: UInt64
  }

  private let reservation: Reservation
  var position: Position

  /// Continues above every id that may have been handed out.
  ///
  /// - Parameters:
  ///   - state: that of the session.
  ///   - hasBegun: whether it is on the disk.
  init(state: StateFile, hasBegun: Bool, directory: OpenDirectory) {
    reservation = Reservation(state, hasBegun: hasBegun, directory)
    position = Position(upcoming: state.idBound, bound: state.idBound)
  }

  /// Puts the session's state on the disk, unless it is there: before the session's first change.
  func beginSession() throws { try reservation.begin() }

  /// Whether a range was reserved since the store was opened.
  var hasReserved: Bool { reservation.isMade.load(ordering: .relaxed) }

  /// Returns the id that ``take()`` uses up. Reserves a range first if no id is left.
  mutating func next() throws -> NodeID {
    if position.upcoming == position.bound {
      position.bound = try reservation.extend(from: position.bound)
    }
    return NodeID(rawValue: position.upcoming)
  }

  mutating func take() { position.upcoming += 1 }

  /// Returns the bound for a copy of a store: a random id at least 2⁴⁰ above the original's bound.
  /// It lies in the lowest sixteenth of what is left below 2⁶⁰ (a file of pins has no room for
  /// more). So two copies hardly ever meet, and after a hundred copies of copies there is still
  /// room.
  static func boundOfCopy(_ bound: UInt64) throws(StoreError) -> UInt64 {
    let least = bound.saturatingAdd(1 << 40)
    let limit: UInt64 = 1 << 60
    guard least < limit else { throw .damaged("its file `state` has no ids left for a copy") }
    return least + .random(in: 0...(limit - least) / 16)
  }

  /// The state of a closed store: reserved ids that were not used become available again. `nil` if the
  /// session changed nothing.
  var closedState: StateFile? {
    guard reservation.hasBegun.load(ordering: .acquiring) else { return nil }
    var closed = reservation.state.withLock { $0 }
    closed.idBound = position.upcoming
    closed.session = .closed
    return closed
  }
}
