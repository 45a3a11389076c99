internal import HandleLocks
internal import Synchronization
internal import SystemPackage

/// The only place that changes a store. Threads that arrive during a transaction wait together, and
/// the next transaction carries all their changes: one commit, one flush.
final class Writer: Sendable {
  /// What the thread that commits works on.
  private struct State {
    var context: ChangeContext
    var closed = false
  }

  /// Before a transaction that adds more nodes than this, the map grows, so that the transaction need
  /// not run twice.
  private static let heavy = 64

  /// For how long a thread leaves the lead to the thread that has it, and for how long it waits before
  /// it sleeps, in nanoseconds.
  private static let (patience, spinning): (UInt64, UInt64) = (5_000, 100_000)
  private static let nobody = -1

  let environment: Environment
  private let cache: NodeCache?
  private let statistics: StatisticsCounters
  /// Where threads wait for commits that wait for the disk.
  private let queue = CommitQueue<any PendingChange>()
  /// The changes that wait for other commits.
  private let waiting = WaitingChanges<any PendingChange>()
  /// The number of the thread that commits while others wait, or ``nobody``. To commit, a processor needs
  /// the pages of the last commit. So the same thread goes on leading, while the others leave their
  /// changes to it.
  private let leader = Atomic(Writer.nobody)
  private let state: Locked<State>
  private let ids: IDAllocator
  private let filesystems: KnownFilesystems

  init(
    environment: Environment, tables: Tables, ids: IDAllocator, filesystems: KnownFilesystems,
    cache: NodeCache?, statistics: StatisticsCounters, limboLimit: Int
  ) {
    self.environment = environment
    self.cache = cache
    self.statistics = statistics
    self.ids = ids
    self.filesystems = filesystems
    state = Locked(
      State(
        context: ChangeContext(
          tables: tables, filesystems: filesystems, ids: ids, limboLimit: limboLimit)))
  }

  /// Applies a change and commits it, perhaps with others. Returns when it is as durable as the
  /// store promises.
  ///
  /// - Parameter weight: about how many nodes the change adds.
  @inline(__always)
  func perform<C: Change>(weight: Int, _ change: C) throws -> C.Output {
    guard environment.mode.noSync else {
      return try performFlushing(Pending(change, weight: weight))
    }
    let leader = leader.load(ordering: .relaxed)
    if leader == Self.nobody || leader == SystemCalls.threadNumber,
      let result = try state.withLockIfFree({ try lead(&$0, change, weight: weight) })
    {
      return result
    }
    return try wait(for: Pending(change, weight: weight))
  }

  // MARK: Commits that wait for the disk

  @inline(never)
  private func performFlushing<C: Change>(_ pending: Pending<C>) throws -> C.Output {
    while true {
      if !queue.wait({ pending }) {
        queue.lead(pending) { group in state.withLock { commitTogether(&$0, group) } }
      }
      if let result = pending.result { return try result.get() }
    }
  }

  // MARK: Commits that do not

  /// Commits a change together with those that wait.
  private func lead<C: Change>(
    _ state: inout State, _ change: C, weight: Int
  ) throws -> C.Output {
    defer { serveSleepers(&state) }
    guard let others = waiting.take() else {
      defer { chooseLeader(afterServing: 1) }
      return try commit(&state, count: 1, weight: weight) { try change.apply(in: &$0, $1) }
    }
    let pending = Pending(change, weight: weight)
    commitTogether(&state, others.changes + [pending])
    others.done.set()
    chooseLeader(afterServing: 1 + others.changes.count)
    guard let result = pending.result else { fatalError("a change without a result") }
    return try result.get()
  }

  /// Makes this thread, which has committed so many threads' changes, the leader if others commit too;
  /// otherwise nobody leads.
  private func chooseLeader(afterServing threads: Int) {
    let new = threads + waiting.count > 1 ? SystemCalls.threadNumber : Self.nobody
    if leader.load(ordering: .relaxed) != new { leader.store(new, ordering: .relaxed) }
  }

  /// After a long commit, commits the changes of threads that have gone to sleep meanwhile.
  private func serveSleepers(_ state: inout State) {
    guard waiting.haveSleepers, let others = waiting.take() else { return }
    commitTogether(&state, others.changes)
    others.done.set()
  }

  /// Commits the changes that wait, unless another thread commits.
  ///
  /// - Returns: `false` if another thread does.
  private func commitWaiting() -> Bool {
    state.withLockIfFree { state in
      defer { serveSleepers(&state) }
      guard let others = waiting.take() else { return }
      commitTogether(&state, others.changes)
      chooseLeader(afterServing: others.changes.count)
      others.done.set()
    } != nil
  }

  /// Waits until a change is committed: by the thread that leads, or by this one if the leader does not take it soon.
  @inline(never)
  private func wait<C: Change>(for pending: Pending<C>) throws -> C.Output {
    let done = waiting.add(pending)
    let start = SystemCalls.now
    var turns = 0
    while !done.isSet(within: 16) {
      let time = SystemCalls.now - start
      turns += 1
      let isLong = time > Self.spinning
      if isLong || time > Self.patience && turns % 4 == 0, commitWaiting() { continue }
      if isLong {
        waiting.sleep(until: done)
      } else if turns % 16 == 0 {
        SystemCalls.yield()
      }
    }
    guard let result = pending.result else { fatalError("a change without a result") }
    return try result.get()
  }

  // MARK: Committing

  private func commitTogether(_ state: inout State, _ group: [any PendingChange]) {
    do {
      try commit(
        &state, count: group.count, weight: group.reduce(0) { $0 + $1.weight }
      ) { context, transaction in
        for pending in group { try pending.apply(in: &context, transaction) }
      }
    } catch {
      // One change failed and undid the transaction of all. Commit each by itself.
      for pending in group {
        do {
          try commit(&state, count: 1, weight: pending.weight) { context, transaction in
            try pending.apply(in: &context, transaction)
          }
        } catch {
          pending.fail(error)
        }
      }
    }
  }

  private func commit<R: Sendable>(
    _ state: inout State, count: Int, weight: Int,
    _ body: (inout ChangeContext, borrowing WriteTransaction) throws -> R
  ) throws -> R {
    guard !state.closed else { throw StoreError.closed }
    if weight > Self.heavy { try environment.makeRoom(for: weight) }
    var growths = 0
    while true {
      do {
        return try attempt(&state, count: count, body)
      } catch let error as LMDBError where error == .mapFull {
        try environment.grow(after: growths)
        growths += 1
      }
    }
  }

  private func attempt<R: Sendable>(
    _ state: inout State, count: Int,
    _ body: (inout ChangeContext, borrowing WriteTransaction) throws -> R
  ) throws -> R {
    state.context.begin()
    try ids.beginSession()
    let start = SystemCalls.now
    let transaction = try environment.write()
    let result = try body(&state.context, transaction)
    // From here on the ids are used up, even if the commit fails: it may be on the disk.
    state.context.consumeIDs()
    do throws(LMDBError) {
      try transaction.commit()
    } catch {
      throw environment.meaning(of: error)
    }
    if !state.context.recorded.isEmpty {
      for (id, known) in state.context.recorded { filesystems[id] = known }
    }
    statistics.committed(changes: count, nanoseconds: SystemCalls.now - start)
    if let cache {
      // The order matters: a transaction may change a node that it added.
      cache.insert(state.context.added)
      for (id, record) in state.context.changed { cache.replace(id, record) }
      for (hash, id) in state.context.registered { cache.setHint(hash, id) }
    }
    return result
  }

  /// Whether ids were reserved since the store was opened. If not, the next change that needs an id
  /// waits for the disk.
  var hasReservedIDs: Bool { ids.hasReserved }

  /// Ends all changes, flushes, and returns the state file to write; `nil` if nothing was changed.
  func close() throws -> StateFile? {
    try state.withLock { state in
      state.closed = true
      state.context.begin()
      guard let closed = state.context.ids.closedState else { return nil }
      try environment.sync()
      return closed
    }
  }
}

/// A change whose thread waits.
private protocol PendingChange: AnyObject, Sendable {
  var weight: Int { get }
  func apply(in context: inout ChangeContext, _ transaction: borrowing WriteTransaction) throws
  func fail(_ error: any Error)
}

private final class Pending<C: Change>: PendingChange {
  let weight: Int
  private let change: C
  private let outcome = Locked<Result<C.Output, any Error>?>(nil)

  init(_ change: C, weight: Int) {
    self.weight = weight
    self.change = change
  }

  func apply(in context: inout ChangeContext, _ transaction: borrowing WriteTransaction) throws {
    let output = try change.apply(in: &context, transaction)
    outcome.withLock { $0 = .success(output) }
  }

  func fail(_ error: any Error) { outcome.withLock { $0 = .failure(error) } }

  /// The result of the change, valid once its transaction is over.
  var result: Result<C.Output, any Error>? { outcome.withLock { $0 } }
}
