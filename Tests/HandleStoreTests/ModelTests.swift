import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Random calls, and a dictionary that says what each must answer.
@Suite struct ModelTests {
  struct Run: Sendable, CustomTestStringConvertible {
    let seed: UInt64
    let cacheSize: Int
    let retention: Retention
    var testDescription: String { "seed \(seed), cache \(cacheSize), \(retention)" }
  }

  static let runs = (0..<8).map { n in
    Run(
      seed: seed(usually: 100) &+ UInt64(n), cacheSize: [0, 4, 64, 65_536][n % 4],
      retention: [.forever, .seconds(0), .nodes(40), .seconds(1_000_000)][(n / 2) % 4])
  }

  @Test(arguments: runs) func answersMatchTheModel(_ run: Run) throws {
    var model = try Model(run)
    for _ in 0..<((isSanitized ? 100 : 800) * soak) { try model.step() }
    try model.checkAll()
    try model.test.store.close()
  }

  /// The store, and what must be in it.
  private struct Model {
    struct File {
      var key: UInt64
      var generation: UInt32
      var state: NodeState
      var parent: NodeID?
    }

    let run: Run
    let test: TestStore
    let filesystem: FilesystemID
    var random: SeededGenerator
    var nodes: [NodeID: File] = [:]
    var live: [UInt64: NodeID] = [:]
    var generations: [UInt64: UInt32] = [:]
    var highest = NodeID(rawValue: 1)

    init(_ run: Run) throws {
      self.run = run
      test = try TestStore(StoreOptions(cacheSize: run.cacheSize, retention: run.retention))
      filesystem = try test.store.attach(Synthetic.directory)
      random = SeededGenerator(seed: run.seed)
    }

    mutating func step() throws {
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<35: try register(count: 1)
      case 35..<50: try register(count: .random(in: 1...40, using: &random))
      case 50..<60: try retire()
      case 60..<68: try forget()
      case 68..<72: try evictStale()
      case 72..<98: try look()
      default: try reopen()
      }
    }

    // MARK: Changes

    mutating func register(count: Int) throws {
      let candidates = (0..<count).map { _ in candidate() }
      let results =
        count == 1
        ? [try test.store.register(candidates[0], on: filesystem)]
        : try test.store.register(batch: candidates, on: filesystem)
      // A batch registers contested files last, so ids need not follow its order.
      let before = highest
      for (candidate, result) in zip(candidates, results) {
        expect(candidate, result, above: before)
      }
    }

    /// A random file: often a known one, sometimes of a reused inode, sometimes twice in a batch.
    private mutating func candidate() -> FoundFile {
      let key = UInt64.random(in: 0..<60, using: &random)
      if Int.random(in: 0..<6, using: &random) == 0 { generations[key, default: 1] += 1 }
      let parent = Bool.random(using: &random) ? NodeID(rawValue: .random(in: 1..<4)) : nil
      return Synthetic.file(
        key, generation: generations[key, default: 1], parent: parent,
        links: .random(in: 1...2, using: &random))
    }

    private mutating func expect(
      _ candidate: FoundFile, _ result: Registration, above before: NodeID
    ) {
      let key = candidate.status.inode
      let handle = candidate.handle
      if let old = live[key], let file = nodes[old],
        Synthetic.handle(key, generation: file.generation) == handle
      {
        #expect(result.outcome == .existing && result.node == old)
        if let parent = candidate.parent, file.parent == nil || candidate.status.links == 1 {
          nodes[old]?.parent = parent
        }
        return
      }
      #expect(result.node > before && nodes[result.node] == nil, "ids grow")
      highest = max(highest, result.node)
      if let old = live[key] {
        #expect(result.outcome == .replaced(old))
        nodes[old]?.state = .stale
      } else {
        #expect(result.outcome == .created)
      }
      let generation = handle.bytes[..<4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
      nodes[result.node] = File(
        key: key, generation: generation, state: .live, parent: candidate.parent)
      live[key] = result.node
    }

    private mutating func someNode() -> NodeID {
      nodes.keys.sorted().randomElement(using: &random) ?? .root
    }

    mutating func retire() throws {
      let id = someNode()
      guard let file = nodes[id] else {
        #expect(throws: StoreError.unknownNode(id)) { try test.store.retire(id) }
        return
      }
      #expect(try test.store.retire(id) == (file.state == .live))
      if file.state == .live { live[file.key] = nil }
      nodes[id]?.state = .stale
    }

    private mutating func drop(_ id: NodeID) {
      if let file = nodes.removeValue(forKey: id), live[file.key] == id { live[file.key] = nil }
    }

    mutating func forget() throws {
      let id = someNode()
      let dropped = try test.store.forget(id)
      switch run.retention {
      case .forever: #expect(!dropped)
      case .seconds(0): #expect(dropped == (nodes[id] != nil))
      case .seconds: #expect(!dropped)
      case .nodes(let limit): #expect(dropped == (nodes.count > limit && nodes[id] != nil))
      }
      if dropped { drop(id) }
    }

    mutating func evictStale() throws {
      let stale = nodes.filter { $0.value.state == .stale }.keys.sorted()
      switch Int.random(in: 0..<4, using: &random) {
      case 0: #expect(try test.store.evict(stale: .forever) == 0)
      case 1: #expect(try test.store.evict(stale: .seconds(1_000_000)) == 0)
      case 2:
        #expect(try test.store.evict(stale: .seconds(0)) == stale.count)
        for id in stale { drop(id) }
      default:
        let limit = Int.random(in: 0..<20, using: &random)
        let count = max(0, stale.count - limit)
        #expect(try test.store.evict(stale: .nodes(limit)) == count)
        for id in stale.prefix(count) { drop(id) }
      }
    }

    mutating func reopen() throws {
      try test.reopen()
      #expect(try test.store.attach(Synthetic.directory) == filesystem)
      try checkAll()
    }

    // MARK: Questions

    mutating func look() throws {
      let id = NodeID(rawValue: .random(in: 0...(highest.rawValue + 2), using: &random))
      try check(id)
      let key = UInt64.random(in: 0..<60, using: &random)
      let generation = generations[key, default: 1] &- UInt32.random(in: 0...1, using: &random)
      let found = try test.store.node(
        of: Synthetic.handle(key, generation: generation), on: filesystem)
      let expected = live[key].flatMap { nodes[$0]?.generation == generation ? $0 : nil }
      #expect(found?.id == expected)
      let state: NodeState? = [nil, .live, .stale].randomElement(using: &random) ?? nil
      let listed = try test.store.everyNode(
        limit: .random(in: 1...100, using: &random), on: filesystem, in: state)
      let wanted = nodes.filter { state == nil || $0.value.state == state }.keys.sorted()
      #expect(listed.map(\.id) == wanted)
    }

    private func check(_ id: NodeID) throws {
      let node = try test.store.node(id)
      let file = nodes[id]
      #expect(node?.state == file?.state)
      #expect(node?.parent == file?.parent)
      if let file {
        #expect(node?.handle == Synthetic.handle(file.key, generation: file.generation))
      }
    }

    func checkAll() throws {
      for id in nodes.keys { try check(id) }
      #expect(try test.store.everyNode().map(\.id) == nodes.keys.sorted())
      #expect(
        try test.store.everyNode(on: FilesystemID(rawValue: 9)).isEmpty, "another filesystem")
    }
  }
}
