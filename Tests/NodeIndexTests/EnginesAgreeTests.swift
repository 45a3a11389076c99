import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// The same random calls on each engine: each answer must be the same. LMDB and the engine in memory
/// share only the decision about two files.
@Suite struct EnginesAgreeTests {
  @Test(arguments: 0..<6) func onEveryAnswer(_ number: Int) throws {
    let seed = seed(usually: 1000) &+ UInt64(number)
    // A database takes a hundred times as long.
    var group = try Group(number < 4 ? [.lmdb, .memory] : Engine.allCases, seed)
    for step in 0..<((isSanitized ? 200 : number < 4 ? 1500 : 700) * soak) {
      try group.step()
      if step % 50 == 0 { try group.compare() }
    }
    try group.compare()
  }

  private struct Group {
    let engines: [TestIndex]
    let told: String
    var random: SeededGenerator
    var highest: UInt64 = 2

    init(_ engines: [Engine], _ seed: UInt64) throws {
      self.engines = try engines.map { try TestIndex($0, limboLimit: 5) }
      random = SeededGenerator(seed: seed)
      told = "seed \(seed)"
    }

    /// Makes one call on each engine, and compares what they answer or throw.
    private func all<R: Equatable>(_ body: (TestIndex) throws -> R) throws -> R? {
      let answers = engines.map { engine in
        Result { try body(engine) }.mapError { engine.index.describe($0) }
      }
      for answer in answers.dropFirst() { #expect(answer == answers[0], "\(told)") }
      return try? answers[0].get()
    }

    mutating func step() throws {
      let id = someNode()
      let watcher = WatcherID(rawValue: .random(in: 1...3, using: &random))
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<40: try register()
      case 40..<50: try registerMany()
      case 50..<58: try move(id)
      case 58..<60: try removeAlias()
      case 60..<66: _ = try all { try $0.index.retire(id, ifItIs: nil) }
      case 66..<70: _ = try all { try $0.index.retire(id, ifItIs: $0.node(NodeID(rawValue: 5))) }
      case 70..<78: try drop()
      case 78..<84:
        let mask = WatchMask(rawValue: .random(in: 1...0xfff, using: &random))
        _ = try all { engine in
          try engine.index.watch(Watch(node: id, watcher: watcher, mask: mask))
          return true
        }
      case 84..<88: _ = try all { try $0.index.unwatch(id, by: watcher) }
      case 88..<92:
        let limit = Int.random(in: 1...4, using: &random)
        _ = try all { try $0.index.takeDeletions(limit: limit) }
      default:
        let file = candidate(.random(in: 1...3, using: &random))
        _ = try all { try $0.index.recordParent(of: id, file) }
      }
    }

    private mutating func someNode() -> NodeID {
      NodeID(rawValue: .random(in: max(highest, 60) - 59...highest + 1, using: &random))
    }

    /// A file with few names and numbers, so that many are met again.
    private mutating func candidate(_ filesystem: UInt16) -> FoundFile {
      let number = UInt64.random(in: 0..<25, using: &random)
      let isDirectory = Int.random(in: 0..<20, using: &random) == 0
      var file =
        filesystem == TestIndex.unknown.rawValue
        ? opaque(number, inode: number % 7, length: [20, 40].randomElement(using: &random) ?? 20)
        : Synthetic.file(
          number, generation: .random(in: 1...3, using: &random))
      file.status.links = .random(in: 1...2, using: &random)
      if isDirectory { file.status.mode = 0o40755 }
      if Bool.random(using: &random) {
        file.parent = NodeID(rawValue: .random(in: 2...6, using: &random))
      }
      return file
    }

    private mutating func survivor() -> Survivor {
      [.candidate, .candidate, .other, .both, .neither, .unknown].randomElement(using: &random)
        ?? .unknown
    }

    /// Makes a change that registers, and answers the question which file exists.
    private mutating func settle(
      _ file: FoundFile, _ change: (TestIndex, Survivors) throws -> RegistrationAttempt
    ) throws {
      var survivors = Survivors()
      while true {
        let given = survivors
        guard let attempt = try all({ Attempt(try change($0, given)) }) else { return }
        guard let other = attempt.contested else {
          highest = max(highest, attempt.node?.rawValue ?? 0)
          return
        }
        survivors[file.handle, other] = survivor()
      }
    }

    private mutating func register() throws {
      let number = UInt16.random(in: 1...3, using: &random)
      let filesystem = FilesystemID(rawValue: number)
      let file = candidate(number)
      try settle(file) { try $0.index.register(file, on: filesystem, $1) }
    }

    private mutating func registerMany() throws {
      let number = UInt16.random(in: 1...3, using: &random)
      let filesystem = FilesystemID(rawValue: number)
      let files = try sorted((0..<8).map { _ in candidate(number) }, on: filesystem)
      let attempts = try all {
        try $0.index.register(batch: files, on: filesystem, Survivors()).map { Attempt($0) }
      }
      highest = max(highest, attempts?.compactMap(\.node?.rawValue).max() ?? 0)
    }

    /// Sorts files by their keys, without changing the order of those with one key. An engine may register
    /// a batch in any such order, so only batches in this one get the same ids from all.
    private func sorted(_ files: [FoundFile], on filesystem: FilesystemID) throws -> [FoundFile] {
      let magic = try engines[0].index.filesystems.magic(filesystem)
      let numbers = files.map { $0.handle.fileKey(on: magic)?.number ?? 0 }
      return files.indices.sorted { (numbers[$0], $0) < (numbers[$1], $1) }.map { files[$0] }
    }

    private mutating func move(_ id: NodeID) throws {
      let number = UInt16.random(in: 1...3, using: &random)
      let filesystem = FilesystemID(rawValue: number)
      let file = candidate(number)
      try settle(file) { try $0.index.move(id, to: file, on: filesystem, $1) }
    }

    private mutating func drop() throws {
      let ids = (0..<4).map { _ in someNode() }
      let held = someNode()
      var dropping = Dropping(ids: ids, isHeld: { $0 == held })
      dropping.onlyStale = Bool.random(using: &random)
      dropping.leaving = [0, 20].randomElement(using: &random) ?? 0
      let wanted = dropping
      _ = try all { try $0.index.dropAgreed(wanted) }
    }

    /// Removes an alias, and tries it again. Each engine has its own time at which it became one.
    private mutating func removeAlias() throws {
      guard let alias = try engines[0].aliases().randomElement(using: &random) else { return }
      let found = try engines.map { engine in
        try #require(try engine.aliases().first { $0.seen == alias.seen }, "\(told)")
      }
      for expected in [true, false] {
        for (engine, alias) in zip(engines, found) {
          #expect(try engine.index.remove(alias) == expected, "\(told)")
        }
      }
    }

    func compare() throws {
      let nodes = try #require(try all { try $0.all().map(\.seen) })
      #expect(try all { try $0.index.count() } == nodes.count)
      let ids = try engines[0].all().map(\.id)
      for id in ids {
        _ = try all { try $0.node(id)?.seen }
        _ = try all { try $0.index.furtherParents(of: id) }
        _ = try all { try $0.index.watches(of: id) }
      }
      for node in try engines[0].all() {
        _ = try all { try $0.index.node(of: node.handle, on: node.filesystem)?.seen }
      }
      let aliases = try #require(
        try all { try $0.aliases().map(\.seen).sorted() })
      #expect(try engines[0].aliases().count == aliases.count)
      for alias in try engines[0].aliases() {
        let found = try all { try $0.index.node(of: alias.handle, on: alias.filesystem)?.seen }
        #expect(found != nil)
      }
      _ = try all { try $0.index.limbo() }
      _ = try all { try $0.index.watchedNodes(from: .root, limit: 5) }
    }
  }

  /// An attempt that can be compared.
  private struct Attempt: Equatable {
    /// The handle of the other file.
    let contested: KernelFileHandle?
    let registration: String?
    let node: NodeID?

    init(_ attempt: RegistrationAttempt) {
      switch attempt {
      case .contested(let other): (contested, registration, node) = (other.handle, nil, nil)
      case .done(let done):
        (contested, node) = (nil, done.node)
        registration = "\(done.node) \(done.outcome)"
      }
    }
  }
}
