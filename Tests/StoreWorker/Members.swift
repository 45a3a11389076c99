import Foundation
import HandleStore
import Synchronization
import SystemPackage
import TestSupport

/// Registers, retires and reuses files that exist only as handles.
struct WritingMember {
  let task: MemberTask
  var random: SeededGenerator
  var nextKey: UInt64
  /// Its live files.
  private var files: [(file: HistoryFile, node: UInt64)] = []
  /// Those of them that all look at.
  private var popular: [(file: HistoryFile, node: UInt64)] = []

  init(task: MemberTask, random: SeededGenerator, firstKey: UInt64) {
    (self.task, self.random, nextKey) = (task, random, firstKey)
  }

  mutating func step() throws {
    switch Int.random(in: 0..<12, using: &random) {
    case 0: try retire()
    case 1: try reuse()
    case 2: try register(count: .random(in: 2...20, using: &random))
    case 3: try watch()
    case 4...6: try registerCommon()
    default: try register(count: 1)
    }
  }

  private mutating func register(count: Int) throws {
    let new = (0..<UInt64(count)).map { HistoryFile(nextKey + $0) }
    nextKey += UInt64(count)
    let nodes = try register(new)
    for made in zip(new, nodes) {
      try task.made.put(made.1, &random)
      if popular.count < 8 {
        popular.append(made)
        try task.popular.put(made.1, &random)
      } else {
        files.append(made)
      }
    }
  }

  private func register(_ files: [HistoryFile]) throws -> [UInt64] {
    let candidates = files.map { Synthetic.file($0.key, generation: $0.generation) }
    return try task.history.record(files.map { .register($0) }) {
      let found =
        candidates.count == 1
        ? [try task.store.register(candidates[0], on: task.synthetic)]
        : try task.store.register(batch: candidates, on: task.synthetic)
      return (found.map(\.node.rawValue), found.map { HistoryResult($0) })
    }
  }

  /// Registers a file that other threads and processes register too. New ones come all the time.
  private mutating func registerCommon() throws {
    let age = UInt64.random(in: 0..<300, using: &random)
    let file = HistoryFile(AcknowledgementLog.firstCommonKey + SystemCalls.sinceBoot >> 26 - age)
    let node = try register([file])[0]
    if Bool.random(using: &random) { try task.made.put(node, &random) }
    try task.history.record(.find(file)) {
      let handle = Synthetic.handle(file.key)
      return try task.store.node(of: handle, on: task.synthetic)
        .map { .node($0.id.rawValue) } ?? .unknown
    }
  }

  /// Takes one of its files, now and then one that all look at.
  private mutating func take() -> (file: HistoryFile, node: UInt64)? {
    if Int.random(in: 0..<8, using: &random) == 0,
      let index = popular.indices.randomElement(using: &random)
    {
      return popular.remove(at: index)
    }
    return files.indices.randomElement(using: &random).map { files.remove(at: $0) }
  }

  private mutating func retire() throws {
    guard let node = take()?.node else { return }
    try task.retire(node)
  }

  private mutating func reuse() throws {
    guard let old = take()?.file else { return }
    let new = HistoryFile(old.key, generation: old.generation + 1)
    files.append((new, try register([new])[0]))
  }

  private mutating func watch() throws {
    guard let index = files.indices.randomElement(using: &random) else { return }
    let node = files.remove(at: index).node
    try task.history.record(.watch(node)) {
      try task.knowing {
        try task.store.watch(NodeID(rawValue: node), mask: .deleteSelf, by: WatcherID(rawValue: 1))
        return .done
      }
    }
    try task.retire(node)
  }
}

/// Makes files in the filesystem that all have in common, registers and removes them, so that their inode
/// numbers come again. What is in a file is its key.
struct FileMember {
  let task: MemberTask
  var random: SeededGenerator
  var nextKey: UInt64
  private var files: [(file: HistoryFile, node: UInt64)] = []

  init(task: MemberTask, random: SeededGenerator, nextKey: UInt64) {
    (self.task, self.random, self.nextKey) = (task, random, nextKey)
  }

  mutating func step() throws {
    if files.count < 20 || (files.count < 60 && Bool.random(using: &random)) {
      try make()
    } else {
      try remove()
    }
  }

  private mutating func make() throws {
    let file = HistoryFile(nextKey)
    nextKey += 1
    try write("\(file.key)", to: task.files.appending("\(file.key)"))
    let result = try task.history.record(.register(file)) {
      try withDirectory(task.files) { directory in
        let found = try FoundFile(name: FilePath("\(file.key)"), in: directory)
        return HistoryResult(try task.store.register(found, on: task.shared))
      }
    }
    guard let node = result.registered else { return }
    files.append((file, node))
    try task.real.put(node, &random)
  }

  private mutating func remove() throws {
    guard let index = files.indices.randomElement(using: &random) else { return }
    let (file, node) = files.remove(at: index)
    try task.history.record(.remove(file)) {
      guard unlink(task.files.appending("\(file.key)").string) == 0 else { return .failed }
      return .done
    }
    if Bool.random(using: &random) { try task.retire(node) }
  }
}

/// Looks nodes up, and opens them, that any process has registered.
struct ReadingMember {
  let task: MemberTask
  var random: SeededGenerator

  mutating func step() throws {
    if Bool.random(using: &random) { try look() } else { try open() }
  }

  private mutating func look() throws {
    let isPopular = Bool.random(using: &random)
    let board = isPopular ? task.popular : task.made
    guard let id = try board.take(&random) else { return }
    if case .file = try task.look(id), isPopular { task.known.add(id) }
  }

  private mutating func open() throws {
    guard let id = try task.real.take(&random) else { return }
    try task.history.record(.look(id)) {
      try task.knowing {
        let file = try task.store.open(NodeID(rawValue: id), as: .readOnly)
        let text = try file.closeAfter { try readAll(file) }
        return UInt64(text).map { .file(HistoryFile($0)) } ?? .failed
      }
    }
  }
}

/// Looks at nodes again that are in memory. If the database is away, and others do wait for it, this goes on
/// until the lease is over.
struct RememberingMember {
  let task: MemberTask
  var random: SeededGenerator

  mutating func step() throws {
    guard let id = task.known.one(&random) else { return }
    if case .file = try task.look(id) { return }
    task.known.remove(id)
  }
}

/// The last nodes that a process has found live.
final class KnownNodes: Sendable {
  private let nodes = Mutex<[UInt64]>([])

  func add(_ node: UInt64) {
    nodes.withLock { nodes in
      guard !nodes.contains(node) else { return }
      nodes.append(node)
      if nodes.count > 64 { nodes.removeFirst() }
    }
  }

  func one(_ random: inout SeededGenerator) -> UInt64? {
    nodes.withLock { $0 }.randomElement(using: &random)
  }

  func remove(_ node: UInt64) { nodes.withLock { $0.removeAll { $0 == node } } }
}

extension MemberTask {
  func look(_ id: UInt64) throws -> HistoryResult {
    try history.record(.look(id)) {
      guard let node = try store.node(NodeID(rawValue: id)) else { return .unknown }
      guard node.state == .live else { return .stale }
      return .file(HistoryFile(node.handle) ?? .another)
    }
  }

  func retire(_ node: UInt64) throws {
    try history.record(.retire(node)) {
      try knowing {
        try store.retire(NodeID(rawValue: node))
        return .done
      }
    }
  }

  /// Errors that say what a node is are answers.
  func knowing(_ body: () throws -> HistoryResult) throws -> HistoryResult {
    do {
      return try body()
    } catch StoreError.stale {
      return .stale
    } catch StoreError.unknownNode {
      return .unknown
    }
  }
}
