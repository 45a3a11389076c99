import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

#if !THREAD_SANITIZER
  @testable import PostgresNodeIndex
#endif

/// The engines that keep the contract of `NodeIndex`.
enum Engine: CaseIterable, CustomTestStringConvertible {
  case lmdb
  case memory
  #if !THREAD_SANITIZER
    case postgres
  #endif

  var testDescription: String {
    switch self {
    case .lmdb: "LMDB"
    case .memory: "in memory"
    #if !THREAD_SANITIZER
      case .postgres: "PostgreSQL"
    #endif
    }
  }
}

/// An index of one of the engines, with filesystems of four kinds. No kernel is asked about any file.
final class TestIndex {
  /// Handles of tmpfs have a known layout, those of the filesystem `unknown` are opaque.
  static let tmpfs = FilesystemID(rawValue: 1)
  static let other = FilesystemID(rawValue: 2)
  static let unknown = FilesystemID(rawValue: 3)
  static let btrfs = FilesystemID(rawValue: 4)

  private(set) var index: any NodeIndex
  /// Opens the index again; `nil` if it is only in memory.
  private let open: (() throws -> any NodeIndex)?

  init(_ engine: Engine, limboLimit: Int = 16_384) throws {
    let options = StoreOptions(limboLimit: limboLimit)
    switch engine {
    case .memory: open = nil
    case .lmdb:
      let directory = try TemporaryDirectory()
      open = {
        try LMDBNodeIndex(at: directory.path.appending("index"), options, StatisticsCounters())
      }
    #if !THREAD_SANITIZER
      case .postgres:
        let database = try DatabaseServer.database()
        open = {
          try PostgresNodeIndex(
            database, gateway: "test", options, lease: .seconds(10), patience: .seconds(30))
        }
    #endif
    }
    index = try open?() ?? MemoryNodeIndex(limboLimit: limboLimit)
    for (id, magic) in [
      (Self.tmpfs, FilesystemMagic.tmpfs), (Self.other, .tmpfs), (Self.btrfs, .btrfs),
      (Self.unknown, FilesystemMagic(rawValue: 0x1234)),
    ] {
      let identity = FilesystemIdentity(
        magic: magic, uuid: [UInt8(id.rawValue)], root: nil, volume: "", birth: "", seed: "")
      try index.record(id) { _ in KnownFilesystem(identity: identity) }
    }
  }

  /// Closes the index and opens it again, unless it is only in memory.
  func reopen() throws {
    guard let open else { return }
    try index.close()
    index = try open()
  }

  deinit { try? index.close() }

  /// Returns a node as a caller finds it.
  func node(_ id: NodeID) throws -> Node? {
    if let record = index.cache?.find(id), let node = Node(id, record) { return node }
    return try index.node(id)
  }

  /// Registers a file that nothing competes with.
  @discardableResult
  func register(
    _ candidate: FoundFile, on filesystem: FilesystemID = tmpfs
  ) throws -> Registration {
    try done(index.register(candidate, on: filesystem, Survivors()))
  }

  /// Registers a file, and answers the question which of two files exists.
  func register(
    _ candidate: FoundFile, on filesystem: FilesystemID = tmpfs, _ survivor: Survivor
  ) throws -> Registration {
    guard case .contested(let other) = try index.register(candidate, on: filesystem, Survivors())
    else { throw CommandFailure(description: "nothing is contested") }
    var survivors = Survivors()
    survivors[candidate.handle, other.handle] = survivor
    return try done(index.register(candidate, on: filesystem, survivors))
  }

  func done(_ attempt: RegistrationAttempt) throws -> Registration {
    guard case .done(let registration) = attempt else {
      throw CommandFailure(description: "\(attempt)")
    }
    return registration
  }

  /// All aliases, node by node.
  func aliases() throws -> [Alias] {
    var aliases: [Alias] = []
    var next: NodeID? = .root
    while let start = next {
      let page = try index.aliases(from: start, nodes: 1)
      aliases += page.aliases
      next = page.next
    }
    return aliases
  }

  /// All nodes, page by page.
  func all() throws -> [Node] {
    var nodes: [Node] = []
    var next: NodeID? = .root
    while let start = next {
      let page = try index.nodes(from: start, limit: 7, on: nil, in: nil)
      nodes += page.nodes
      next = page.next
    }
    return nodes
  }
}

/// A file with an opaque handle.
func opaque(_ number: UInt64, inode: UInt64, length: Int = 40) -> FoundFile {
  FoundFile(
    handle: Synthetic.opaque(number, length: length),
    status: FileStatus(inode: inode, mode: Synthetic.mode))
}

extension Alias {
  /// Everything that a caller can see of an alias, but when it was made.
  var seen: String { "\(node) \(filesystem) \(type.rawValue) \(handle)" }
}

extension Node {
  /// Everything that a caller can see of a node, but when it changed.
  var seen: String {
    "\(id) \(filesystem) \(state) \(type.rawValue) \(parent?.rawValue ?? 0) \(handle)"
  }
}

extension NodeIndex {
  /// Drops those of some nodes that no other process holds.
  func dropAgreed(_ dropping: Dropping) throws -> Int { try drop(agreement(on: dropping)) }
}
