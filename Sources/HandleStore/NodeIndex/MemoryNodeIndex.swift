internal import HandleLocks
internal import SystemPackage

/// A ``NodeIndex`` in memory. One lock guards it, and nothing waits for a disk.
final class MemoryNodeIndex: NodeIndex {
  let incarnation = UInt32.random(in: 1...UInt32.max)
  let filesystems = KnownFilesystems()
  var cache: NodeCache? { nil }
  var isShared: Bool { false }

  private struct State {
    var nodes: MemoryNodes
    var isClosed = false
  }

  private let state: Locked<State>

  /// - Parameter limboLimit: how many nodes may be in limbo.
  init(limboLimit: Int) {
    state = Locked(State(nodes: MemoryNodes(limboLimit: limboLimit)))
  }

  private func with<R: Sendable>(_ body: (inout MemoryNodes) throws -> R) throws -> R {
    try state.withLock { state in
      guard !state.isClosed else { throw StoreError.closed }
      return try body(&state.nodes)
    }
  }

  func close() { state.withLock { $0 = State(nodes: MemoryNodes(limboLimit: 0), isClosed: true) } }

  func describe(_ error: any Error) -> StoreError { StoreError(any: error, path: "") }

  // MARK: Reading

  func node(_ id: NodeID) throws -> Node? { try with { $0.node(id) } }

  func node(of handle: KernelFileHandle, on filesystem: FilesystemID) throws -> Node? {
    let magic = try filesystems.magic(filesystem)
    let key = MemoryNodes.Key(handle, on: filesystem, magic)
    return try with { $0.node(of: handle, on: magic, key) }
  }

  func nodes(
    from start: NodeID, limit: Int, on filesystem: FilesystemID?, in state: NodeState?
  ) throws -> NodePage {
    try with { $0.nodes(from: start, limit: limit, on: filesystem, in: state) }
  }

  func aliases(from start: NodeID, nodes limit: Int) throws -> AliasPage {
    try with { $0.aliases(from: start, nodes: limit) }
  }

  func count() throws -> Int { try with { $0.count } }

  func furtherParents(of id: NodeID) throws -> [NodeID] { try with { $0.furtherParents(of: id) } }

  // MARK: Registering

  func register(
    _ candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt {
    let file = try file(candidate, on: filesystem, survivors)
    return try with { noted(file, $0.register(file)) }
  }

  func register(
    batch candidates: [FoundFile], on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> [RegistrationAttempt] {
    let files = try candidates.map { try file($0, on: filesystem, survivors) }
    return try with { nodes in files.map { noted($0, nodes.register($0)) } }
  }

  func recordParent(of id: NodeID, _ candidate: FoundFile) throws -> Bool {
    try with { $0.recordParent(of: id, candidate) }
  }

  func move(
    _ id: NodeID, to candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt {
    let file = try file(candidate, on: filesystem, survivors)
    return try with { noted(file, try $0.move(id, to: file)) }
  }

  private func file(
    _ candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> MemoryNodes.File {
    try MemoryNodes.File(
      candidate, on: filesystem, of: filesystems, survivors, incarnation: incarnation)
  }

  /// Takes note of a file that was registered (``KnownFilesystem/note(_:)``). The caller holds the
  /// lock, as everyone does who changes what is known of a filesystem.
  private func noted(
    _ file: MemoryNodes.File, _ attempt: RegistrationAttempt
  ) -> RegistrationAttempt {
    if let known = file.note(attempt, in: filesystems[file.filesystem]) {
      filesystems[file.filesystem] = known
    }
    return attempt
  }

  // MARK: Removing

  func retire(_ id: NodeID, ifItIs file: Node?) throws -> Bool {
    try with { try $0.retire(id, ifItIs: file) }
  }

  func remove(_ alias: Alias) throws -> Bool {
    let magic = try filesystems.magic(alias.filesystem)
    let key = MemoryNodes.Key(alias.handle, on: alias.filesystem, magic)
    return try with { $0.remove(alias, key) }
  }

  func drop(_ dropping: Dropping) throws -> Int { try with { $0.drop(dropping) } }

  // MARK: Filesystems

  func reloadFilesystems() {}

  func introducing<R>(_ body: () throws -> R) throws -> R { try body() }

  func record(
    _ filesystem: FilesystemID, _ change: @escaping @Sendable (KnownFilesystem?) -> KnownFilesystem?
  ) throws {
    try with { _ in
      guard let known = change(filesystems[filesystem]) else { return }
      filesystems[filesystem] = known
    }
  }

  // MARK: Watches

  func watch(_ watch: Watch) throws { try with { try $0.watch(watch) } }

  func unwatch(_ id: NodeID, by watcher: WatcherID) throws -> Bool {
    try with { $0.watches.remove(id, by: watcher) }
  }

  func watches(of id: NodeID) throws -> [Watch] { try with { $0.watches.all(of: id) } }

  func watchedNodes(from start: NodeID, limit: Int) throws -> WatchedNodePage {
    try with { $0.watches.nodes(from: start, limit: limit) }
  }

  func limbo() throws -> [LimboNode] { try with { $0.watches.limbo } }

  func takeDeletions(limit: Int) throws -> Deletions {
    try with { $0.watches.takeDeletions(limit: limit) }
  }
}
