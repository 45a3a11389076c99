internal import CLMDB
internal import Glibc
internal import Synchronization

/// Read transactions that are begun once and reused. Each thread has a slot; threads share slots if
/// there are more threads than slots.
///
/// Renewing a transaction makes LMDB look up the roots of its tables again, which costs as much as
/// reading a record. So a snapshot is kept until the next commit. LMDB does not reuse a page that a
/// snapshot may read, so a writer first releases the kept snapshots that are not in use.
@safe final class ReaderPool: @unchecked Sendable {
  private static let slots = 64
  /// Only a thread that holds a slot may touch it.
  private var environment: OpaquePointer
  private let reusesSnapshots: Bool
  private let busy: [Flag]
  private let snapshots: UnsafeMutablePointer<Snapshot>
  private let stopped = Atomic<Bool>(false)
  /// The number of commits so far.
  private let commits = Atomic<UInt64>(0)
  /// One bit for each slot whose snapshot is kept.
  private let retained = Atomic<UInt64>(0)

  /// A flag on a cache line of its own.
  private final class Flag: Sendable {
    let taken = Atomic<Bool>(false)
    let pad = (0, 0, 0, 0, 0, 0)
  }

  /// A slot's transaction. Only the thread that holds the slot may touch it.
  @safe private struct Snapshot {
    var transaction: OpaquePointer?
    /// Whether the transaction is a snapshot now, and not reset.
    var isLive = false
    /// The value of ``ReaderPool/commits`` before the transaction began.
    var commits: UInt64 = 0
  }

  init(_ environment: OpaquePointer, reusesSnapshots: Bool) {
    unsafe self.environment = environment
    self.reusesSnapshots = reusesSnapshots
    busy = (0..<Self.slots).map { _ in Flag() }
    unsafe snapshots = .allocate(capacity: Self.slots)
    unsafe snapshots.initialize(repeating: Snapshot(), count: Self.slots)
  }

  deinit { unsafe snapshots.deallocate() }

  // MARK: Reading

  /// Returns a snapshot of the newest commit, or `nil` between ``stop()`` and ``start(_:)``.
  func begin() throws(LMDBError) -> ReadTransaction? {
    guard let slot = acquire() else { return nil }
    do throws(LMDBError) {
      try refresh(slot)
    } catch {
      release(slot)
      throw error
    }
    guard let transaction = unsafe snapshots[slot].transaction else { return nil }
    return unsafe ReadTransaction(pool: self, slot: slot, raw: transaction)
  }

  /// Ends a snapshot that ``begin()`` returned.
  func end(_ slot: Int) {
    if reusesSnapshots {
      let bit: UInt64 = 1 << UInt64(slot)
      if retained.load(ordering: .relaxed) & bit == 0 {
        retained.bitwiseOr(bit, ordering: .relaxed)
      }
    } else {
      reset(slot)
    }
    release(slot)
  }

  /// Renews a slot's snapshot if there has been a commit since.
  private func refresh(_ slot: Int) throws(LMDBError) {
    let commits = commits.load(ordering: .acquiring)
    if unsafe snapshots[slot].isLive && snapshots[slot].commits == commits { return }
    repeat {
      reset(slot)
      if let transaction = unsafe snapshots[slot].transaction {
        try lmdb(unsafe mdb_txn_renew(transaction))
      } else {
        var started: OpaquePointer?
        try lmdb(unsafe mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &started))
        unsafe snapshots[slot].transaction = started
      }
      unsafe snapshots[slot].isLive = true
      unsafe snapshots[slot].commits = commits
    } while isOvertaken(slot)
  }

  /// Whether a snapshot may be of a later commit than it states. LMDB first notes which commit it
  /// reads, then reads that commit's meta page. If two commits happen in between, the page is that
  /// of the second one, which may not be flushed yet, and the next snapshot might be of an earlier
  /// commit.
  private func isOvertaken(_ slot: Int) -> Bool {
    var info = unsafe MDB_envinfo()
    unsafe mdb_env_info(environment, &info)
    return unsafe Int(info.me_last_txnid) > Int(mdb_txn_id(snapshots[slot].transaction)) + 1
  }

  private func reset(_ slot: Int) {
    guard unsafe snapshots[slot].isLive else { return }
    unsafe mdb_txn_reset(snapshots[slot].transaction)
    unsafe snapshots[slot].isLive = false
    retained.bitwiseAnd(~(1 << UInt64(slot)), ordering: .relaxed)
  }

  // MARK: Writing

  /// Releases the kept snapshots that are not in use, because a write transaction begins.
  func letGo() {
    var slots = retained.load(ordering: .relaxed)
    while slots != 0 {
      let slot = slots.trailingZeroBitCount
      slots &= slots - 1
      guard take(slot) else { continue }
      reset(slot)
      release(slot)
    }
  }

  /// Notes the end of a write transaction: later snapshots must contain its changes.
  func committed() { commits.add(1, ordering: .releasing) }

  // MARK: Slots

  /// Takes a slot for this thread and returns it, or `nil` between ``stop()`` and ``start(_:)``.
  private func acquire() -> Int? {
    // Before a slot is tried: threads that read all the time would take them again and again.
    if stopped.load(ordering: .relaxed) { return nil }
    var slot = SystemCalls.threadNumber % Self.slots
    var turns = 0
    while !take(slot) {
      if stopped.load(ordering: .relaxed) { return nil }
      slot = (slot + 1) % Self.slots
      turns += 1
      if turns % Self.slots == 0 { SystemCalls.yield() }
    }
    return slot
  }

  private func take(_ slot: Int) -> Bool {
    busy[slot].taken.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
  }

  private func release(_ slot: Int) { busy[slot].taken.store(false, ordering: .releasing) }

  /// Waits for the snapshots in use, and takes all slots.
  func stop() {
    stopped.store(true, ordering: .relaxed)
    for slot in 0..<Self.slots {
      while !take(slot) { SystemCalls.yield() }
    }
  }

  /// Takes every slot and releases its snapshot. After ``stop()`` it takes none and returns
  /// `false`.
  func lockAll() -> Bool {
    for slot in 0..<Self.slots {
      while !take(slot) {
        if stopped.load(ordering: .relaxed) {
          for taken in 0..<slot { release(taken) }
          return false
        }
        SystemCalls.yield()
      }
      reset(slot)
    }
    return true
  }

  func unlockAll() {
    for slot in 0..<Self.slots { release(slot) }
  }

  /// Ends all transactions, before the environment is closed. The caller holds every slot.
  func abortAll() {
    for slot in 0..<Self.slots {
      if let transaction = unsafe snapshots[slot].transaction { unsafe mdb_txn_abort(transaction) }
      unsafe snapshots[slot] = Snapshot()
    }
    retained.store(0, ordering: .relaxed)
  }

  /// Lets transactions begin again, in another environment. The caller has called ``stop()`` and
  /// ``abortAll()``.
  func start(_ environment: OpaquePointer) {
    unsafe self.environment = environment
    stopped.store(false, ordering: .relaxed)
    unlockAll()
  }
}
