internal import HandleLocks
internal import SystemPackage

/// The only place that changes a store. Threads that arrive during a transaction wait together, and
/// the next transaction carries all their changes: one commit, one flush.
final class Writer: Sendable {
  /// What the leading thread works on.
  private struct State {
    var context: ChangeContext
    var closed = false
  }

  /// Before a transaction that adds more nodes than this, the map grows, so that the transaction need
  /// not run twice.
  private static let heavy = 64

  let environment: Environment
  private let cache: NodeCache?
  private let statistics: StatisticsCounters
  private let queue = CommitQueue<any PendingChange>(isSlow: false)
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
  func perform<R: Sendable>(weight: Int, _ change: @escaping Change<R>) throws -> R {
    var pending: Pending<R>?
    while true {
      let hasWaited = queue.wait {
        let change = Pending(weight: weight, change)
        pending = change
        return change
      }
      guard hasWaited else {
        defer { queue.serve(commitTogether) }
        return try commit(count: 1, weight: weight, change)
      }
      if let result = pending?.result { return try result.get() }
    }
  }

  private func commitTogether(_ group: [any PendingChange]) {
    do {
      try commit(count: group.count, weight: group.reduce(0) { $0 + $1.weight }) {
        context, transaction in
        for pending in group { try pending.apply(in: &context, transaction) }
      }
    } catch {
      // One change failed and undid the transaction of all. Commit each by itself.
      for pending in group {
        do {
          try commit(count: 1, weight: pending.weight) { context, transaction in
            try pending.apply(in: &context, transaction)
          }
        } catch {
          pending.fail(error)
        }
      }
    }
  }

  private func commit<R: Sendable>(
    count: Int, weight: Int, _ body: (inout ChangeContext, borrowing WriteTransaction) throws -> R
  ) throws -> R {
    try state.withLock { state in
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
    for (id, known) in state.context.recorded { filesystems[id] = known }
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

private final class Pending<R: Sendable>: PendingChange {
  let weight: Int
  private let change: Change<R>
  private let outcome = Locked<Result<R, any Error>?>(nil)

  init(weight: Int, _ change: @escaping Change<R>) {
    self.weight = weight
    self.change = change
  }

  func apply(in context: inout ChangeContext, _ transaction: borrowing WriteTransaction) throws {
    let output = try change(&context, transaction)
    outcome.withLock { $0 = .success(output) }
  }

  func fail(_ error: any Error) { outcome.withLock { $0 = .failure(error) } }

  /// The result of the change, valid once its transaction is over.
  var result: Result<R, any Error>? { outcome.withLock { $0 } }
}
