import HandleStore

/// Holds a store to the histories of all processes that used it. What one was told must fit to what all
/// others were told before.
public struct HistoryChecker: Sendable {
  private let events: [HistoryEvent]
  /// For how long a process may answer from memory, in nanoseconds.
  private let lease: UInt64
  /// Whether what was acknowledged may be lost. Then a file may get a second node, and a stale node may be
  /// live again; but an id still names one file only.
  private let mayLose: Bool
  /// What is wrong.
  public private(set) var findings: [String] = []

  // What the events say, by node and by file.
  private var file: [UInt64: HistoryFile] = [:]
  private var node: [HistoryFile: UInt64] = [:]
  /// When the first process had been told of a node.
  private var acknowledged: [UInt64: UInt64] = [:]
  /// When the first call began that makes a node stale, and when the first one had ended.
  private var endangered: [UInt64: UInt64] = [:]
  private var stale: [UInt64: UInt64] = [:]

  /// Reads what each call was told.
  ///
  /// - Parameters:
  ///   - events: of all processes, in any order.
  ///   - mayLose: whether what was acknowledged may be lost.
  public init(_ events: [HistoryEvent], lease: Duration, mayLose: Bool = false) {
    (self.events, self.mayLose) = (events, mayLose)
    self.lease = UInt64(lease / .nanoseconds(1))
    for event in events { learn(event) }
    for event in events { learnEnd(event) }
  }

  /// How many registrations were acknowledged.
  public var registrations: Int { events.count { $0.result.registered != nil } }

  private mutating func learn(_ event: HistoryEvent) {
    guard let end = event.end else { return }
    switch (event.call, event.result) {
    case (.register(let file), let result):
      guard let node = result.registered else { break }
      name(node, file)
      if let other = self.node.updateValue(node, forKey: file), other != node, !mayLose {
        findings.append("\(file) has the nodes \(other) and \(node)")
      }
      acknowledged[node] = min(acknowledged[node] ?? .max, end)
    case (.look(let node), .file(let file)): name(node, file)
    case (.find(let file), .node(let node)): name(node, file)
    default: break
    }
  }

  private mutating func name(_ node: UInt64, _ file: HistoryFile) {
    if let other = self.file.updateValue(file, forKey: node), other != file {
      findings.append("node \(node) is \(other) and \(file)")
    }
  }

  private mutating func learnEnd(_ event: HistoryEvent) {
    switch event.call {
    case .retire(let node): endanger(node, event, isDone: event.result == .done)
    case .remove(let file): endanger(node[file], event, isDone: false)
    case .register(let file):
      let before = HistoryFile(file.key, generation: file.generation &- 1)
      endanger(node[before], event, isDone: event.result.registered != nil)
      if case .replaced(_, let old) = event.result, let end = event.end {
        stale[old] = min(stale[old] ?? .max, end)
      }
    default: break
    }
  }

  private mutating func endanger(_ node: UInt64?, _ event: HistoryEvent, isDone: Bool) {
    guard let node else { return }
    endangered[node] = min(endangered[node] ?? .max, event.start)
    if isDone, let end = event.end { stale[node] = min(stale[node] ?? .max, end) }
  }
}

// MARK: Checking what was told

extension HistoryChecker {
  /// Compares what each call was told with what others had been told before it began.
  public mutating func check() {
    guard !mayLose else { return }
    for event in events { check(event) }
    checkCreations()
    checkDeletions()
  }

  private mutating func check(_ event: HistoryEvent) {
    guard let end = event.end else { return }
    switch (event.call, event.result) {
    case (.look(let node), .unknown), (.retire(let node), .unknown), (.watch(let node), .unknown):
      checkLoss(of: node, event)
    case (.find(let file), .unknown):
      guard let node = node[file], endangered[node].map({ $0 > end }) ?? true else { return }
      checkLoss(of: node, event)
    case (.look(let node), .stale): checkReason(node, end)
    case (.register(let file), .stale): findings.append("\(file), which is there, is stale")
    case (.register, .replaced(_, let old)): checkReason(old, end)
    case (.look(let node), .file):
      if let stale = stale[node], event.start > stale + lease {
        findings.append(
          "node \(node) is live \((event.start - stale) / 1_000_000) ms after it became stale")
      }
    default: break
    }
  }

  private mutating func checkLoss(of node: UInt64, _ event: HistoryEvent) {
    guard let told = acknowledged[node], told < event.start else { return }
    findings.append("node \(node) is lost, at \(event.start)")
  }

  private mutating func checkReason(_ node: UInt64, _ end: UInt64) {
    if let began = endangered[node], began < end { return }
    findings.append("node \(node) is stale, and its file is there")
  }

  /// Of the registrations of a file exactly one made the node. Nobody knows of it if that one failed.
  private mutating func checkCreations() {
    var made: [HistoryFile: Int] = [:]
    var failed: Set<HistoryFile> = []
    for event in events {
      guard case .register(let file) = event.call else { continue }
      if event.result == .failed { failed.insert(file) }
      if event.result.registered != nil { made[file, default: 0] += event.result.isNew ? 1 : 0 }
    }
    for (file, count) in made where count > 1 || (count == 0 && !failed.contains(file)) {
      findings.append("\(count) registrations of \(file) made its node")
    }
  }

  /// The deletion of a watched file is told exactly once. It may be lost with a call that fails, or that
  /// its process does not survive, and then an overflow may be told instead.
  private mutating func checkDeletions() {
    var told: [UInt64: Int] = [:]
    var losses: [ClosedRange<UInt64>] = []
    var watched: Set<UInt64> = []
    for event in events {
      switch (event.call, event.result) {
      case (.watch(let node), .done): watched.insert(node)
      case (.deletions, .deleted(let nodes, let overflowed)):
        for node in nodes { told[node, default: 0] += 1 }
        if overflowed { losses.append(event.surroundings) }
      case (.deletions, _): losses.append(event.surroundings)
      default: break
      }
    }
    for (node, count) in told where count > 1 {
      findings.append("the deletion of node \(node) was told \(count) times")
    }
    for node in watched where told[node] == nil {
      guard let moment = stale[node], !losses.contains(where: { $0.contains(moment) }) else {
        continue
      }
      findings.append("the deletion of node \(node) was not told, at \(moment)")
    }
  }
}

extension HistoryEvent {
  /// The time in which what a call has lost became stale: a call takes what has come since the one before
  /// it, and may be in the hands of the database when its process has ended.
  fileprivate var surroundings: ClosedRange<UInt64> {
    let margin = UInt64(20_000_000_000)
    return (start - min(start, margin))...((end ?? start) + margin)
  }
}

// MARK: Checking the store

extension HistoryChecker {
  /// Compares what the store has, after all processes have ended, with what they were told.
  public mutating func check(_ store: Store) throws {
    var nodes: [UInt64: Node] = [:]
    var next: NodeID? = .root
    while let start = next {
      let page = try store.nodes(from: start, limit: 4096)
      for node in page.nodes { nodes[node.id.rawValue] = node }
      next = page.next
    }
    check(nodes)
    try checkHandles(nodes, store)
  }

  private mutating func check(_ nodes: [UInt64: Node]) {
    for (node, file) in file {
      guard let found = nodes[node] else {
        if acknowledged[node] != nil && !mayLose {
          findings.append("node \(node) of \(file) is lost")
        }
        continue
      }
      if file.isSynthetic && HistoryFile(found.handle) != file {
        findings.append("node \(node) of \(file) has the handle of another file")
      }
      guard !mayLose else { continue }
      if stale[node] != nil && found.state != .stale {
        findings.append("node \(node) of \(file) is live again")
      }
      if endangered[node] == nil && found.state != .live {
        findings.append("node \(node) of \(file) is not live")
      }
    }
  }

  /// Each file has one live node, by which it is found. Finding is tried with some of them.
  private mutating func checkHandles(_ nodes: [UInt64: Node], _ store: Store) throws {
    var live: [KernelFileHandle: NodeID] = [:]
    for node in nodes.values where node.state == .live {
      if let other = live.updateValue(node.id, forKey: node.handle) {
        findings.append("nodes \(other) and \(node.id) are one file")
      }
    }
    for node in nodes.values.filter({ $0.state == .live }).prefix(1000) {
      if try store.node(of: node.handle, on: node.filesystem)?.id != node.id {
        findings.append("live node \(node.id) is not found by its handle")
      }
    }
  }
}

extension HistoryFile {
  /// Keys from here on are of files that exist, and not of made-up handles.
  public static let firstRealKey: UInt64 = 1 << 62
  var isSynthetic: Bool { key < Self.firstRealKey }
}
