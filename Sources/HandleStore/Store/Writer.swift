internal import Synchronization
internal import SystemPackage

/// The one place where a store is changed. Threads that come while a transaction is under way wait
/// together, and the next transaction carries all their changes: one commit, one flush.
final class Writer: Sendable {
  /// What the thread that leads works on.
  private struct State {
    var ids: IDAllocator
    var closed = false
  }

  private struct Queue {
    var led = false
    var waiting: [any PendingChange] = []
  }

  let environment: Environment
  let tables: Tables
  private let directory: FilePath
  private let cache: NodeCache?
  private let statistics: StatisticsCounters
  private let magics: Mutex<[FilesystemID: FilesystemMagic]>
  private let queue = Mutex(Queue())
  private let state: Mutex<State>

  init(
    environment: Environment, tables: Tables, directory: FilePath, ids: IDAllocator,
    cache: NodeCache?, statistics: StatisticsCounters
  ) {
    self.environment = environment
    self.tables = tables
    self.directory = directory
    self.cache = cache
    self.statistics = statistics
    magics = Mutex([:])
    state = Mutex(State(ids: ids))
  }

  /// Tells what kind a filesystem is, before anything on it is registered.
  func know(_ filesystem: FilesystemID, _ magic: FilesystemMagic) {
    magics.withLock { $0[filesystem] = magic }
  }

  /// Applies a change and commits it, perhaps with others; returns once it is as durable as the
  /// store promises.
  func perform<C: Change>(_ change: C) throws -> C.Output {
    let pending = queue.withLock { queue -> Pending<C>? in
      guard queue.led else {
        queue.led = true
        return nil
      }
      let pending = Pending(change)
      queue.waiting.append(pending)
      return pending
    }
    guard let pending else {
      defer { handOver() }
      return try commitAlone(change)
    }
    pending.event.wait()
    if pending.leads {
      commitTogether(
        queue.withLock { queue in
          defer { queue.waiting = [] }
          return queue.waiting
        })
      handOver()
    }
    return try pending.take()
  }

  /// Lets the thread that has waited longest lead, for all that wait.
  private func handOver() {
    let next = queue.withLock { queue -> (any PendingChange)? in
      if queue.waiting.isEmpty { queue.led = false }
      return queue.waiting.first
    }
    next?.lead()
  }

  private func commitAlone<C: Change>(_ change: C) throws -> C.Output {
    try commit(count: 1) { turn, transaction in try change.apply(in: &turn, transaction) }
  }

  private func commitTogether(_ group: [any PendingChange]) {
    do {
      try commit(count: group.count) { turn, transaction in
        for pending in group { try pending.apply(in: &turn, transaction) }
      }
    } catch {
      // One of them failed, and took the transaction with it: each by itself.
      for pending in group {
        do {
          try commit(count: 1) { turn, transaction in try pending.apply(in: &turn, transaction) }
        } catch {
          pending.fail(error)
        }
      }
    }
    for pending in group where !pending.leads { pending.event.set() }
  }

  private func commit<R: Sendable>(
    count: Int, _ body: (inout Turn, borrowing WriteTransaction) throws -> R
  ) throws -> R {
    try state.withLock { state in
      while true {
        guard !state.closed else { throw StoreError.closed }
        do {
          return try attempt(&state, count: count, body)
        } catch let error as LMDBError where error == .mapFull {
          try environment.grow()
        }
      }
    }
  }

  private func attempt<R: Sendable>(
    _ state: inout State, count: Int, _ body: (inout Turn, borrowing WriteTransaction) throws -> R
  ) throws -> R {
    var turn = Turn(
      tables: tables, now: SystemCalls.epochSeconds, magics: magics.withLock { $0 }, ids: state.ids)
    defer { state.ids = turn.ids }
    let start = SystemCalls.now
    let transaction = try environment.write()
    let result = try body(&turn, transaction)
    try transaction.commit()
    statistics.committed(changes: count, nanoseconds: SystemCalls.now - start)
    if let cache {
      for (id, record) in turn.changed { cache.replace(id, record) }
      for (id, record) in turn.added { cache.insert(id, record) }
    }
    return result
  }

  /// Ends all changes, flushes, and says what the state file must hold.
  func close() throws -> StateFile {
    try state.withLock { state in
      state.closed = true
      try environment.sync()
      return state.ids.closedState
    }
  }
}

/// A change of a thread that waits.
private protocol PendingChange: AnyObject, Sendable {
  var event: Event { get }
  var leads: Bool { get }
  func lead()
  func apply(in turn: inout Turn, _ transaction: borrowing WriteTransaction) throws
  func fail(_ error: any Error)
}

private final class Pending<C: Change>: PendingChange {
  private struct State {
    var result: Result<C.Output, any Error>?
    var leads = false
  }

  let event = Event()
  private let change: C
  private let state = Mutex(State())

  init(_ change: C) { self.change = change }

  /// Whether the thread that waits commits for all.
  var leads: Bool { state.withLock { $0.leads } }

  func lead() {
    state.withLock { $0.leads = true }
    event.set()
  }

  func apply(in turn: inout Turn, _ transaction: borrowing WriteTransaction) throws {
    let output = try change.apply(in: &turn, transaction)
    state.withLock { $0.result = .success(output) }
  }

  func fail(_ error: any Error) { state.withLock { $0.result = .failure(error) } }

  func take() throws -> C.Output {
    guard let result = state.withLock({ $0.result }) else { fatalError("a change was lost") }
    return try result.get()
  }
}
