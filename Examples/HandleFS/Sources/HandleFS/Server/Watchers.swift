internal import HandleStore
internal import HandleLocks
internal import Logging
internal import PostgresNodeIndex
internal import SystemPackage

/// The clients that watch nodes. They hear what happens to the nodes, through the mount or behind
/// its back. The store records which client watches which nodes, so that watching goes on when this
/// server is replaced.
final class Watchers: Sendable {
  private struct State {
    var sockets: [WatcherID: FileDescriptor] = [:]
    var nodes: [WatcherID: [NodeID]] = [:]
    var hears = false
  }

  let store: Store
  let family: WatcherFamily
  private let filesystem: FilesystemID
  private let root: NodeID
  private let neighbours: Neighbours
  private let files: FileCache
  private let changes: BackingChanges
  private let log: Logger
  private let state = Locked(State())

  init(
    _ source: Source, among neighbours: Neighbours, files: FileCache, changes: BackingChanges,
    log: Logger
  ) {
    self.neighbours = neighbours
    (store, filesystem, root) = (source.store, source.filesystem, source.root)
    family = WatcherFamily(gateway: store.gatewayStatus?.name)
    self.files = files
    self.changes = changes
    self.log = log
  }

  /// The events that are reported for each node.
  private static let mask: WatchMask = [
    .modify, .attrib, .closeWrite, .movedFrom, .movedTo, .create, .delete, .deleteSelf, .moveSelf,
  ]

  /// Serves one watcher for as long as it stays connected.
  ///
  /// - Parameter comesAgain: whether this server or an earlier one has served the watcher before:
  ///   it may have missed events.
  func serve(
    _ watcher: WatcherID, _ nodes: [NodeID], on socket: FileDescriptor, root: BackingFile,
    comesAgain: Bool
  ) throws {
    try listen(to: root)
    begin(watcher, nodes)
    defer { end(watcher) }
    var gone: [NodeID] = []
    for node in nodes where try !watch(node, watcher, comesAgain: comesAgain) { gone.append(node) }
    // The first lines come before any that another thread sends.
    state.withLock { state in
      state.sockets[watcher] = socket
      send(.watching(nodes.count - gone.count), to: watcher, in: state)
      if comesAgain { send(.overflow, to: watcher, in: state) }
    }
    for node in gone {
      _ = unwatch(node, watcher)
      tellDeletion(of: node, to: watcher)
    }
    // Report the nodes that were deleted before the watcher had its socket.
    for node in nodes where (try? store.node(node))?.state != .live && unwatch(node, watcher) {
      tellDeletion(of: node, to: watcher)
    }
    if comesAgain { sweep() }
    // The watcher sends nothing more, so this read returns when it disconnects.
    _ = try? socket.readOnce(1)
  }

  /// Ends the watches of watchers that an earlier server served and that have not reconnected since
  /// this one began.
  func endAbsent() {
    while !neighbours.areComplete { Processes.sleep(milliseconds: 1000) }
    do {
      var start: NodeID? = .root
      while let first = start {
        let page = try store.watchedNodes(from: first)
        for node in page.nodes {
          for watch in try store.watches(of: node.id)
          where family.contains(watch.watcher)
            && !neighbours.watchers.contains(where: { $0.serves(watch.watcher) })
          {
            try store.unwatch(node.id, by: watch.watcher)
          }
        }
        start = page.next
      }
    } catch {
      log.error("ending the watches of absent watchers failed", metadata: ["error": "\(error)"])
    }
  }

  private func serves(_ watcher: WatcherID) -> Bool {
    state.withLock { $0.nodes[watcher] != nil }
  }

  /// Ends all watches: the filesystem is gone.
  func endAll() { for watcher in state.withLock({ Array($0.nodes.keys) }) { end(watcher) } }

  /// Reserves the watcher's place. A watcher that was cut off and reconnects waits here until its
  /// former watches have ended.
  private func begin(_ watcher: WatcherID, _ nodes: [NodeID]) {
    while true {
      let isFree = state.withLock { state in
        guard state.nodes[watcher] == nil else { return false }
        state.nodes[watcher] = nodes
        return true
      }
      if isFree { return }
      Processes.sleep(milliseconds: 10)
    }
  }

  private func end(_ watcher: WatcherID) {
    let nodes = state.withLock { state in
      state.sockets[watcher] = nil
      return state.nodes[watcher] ?? []
    }
    for node in nodes { _ = try? store.unwatch(node, by: watcher) }
    state.withLock { $0.nodes[watcher] = nil }
  }

  /// Watches a node; returns `false` if the node is gone and the watcher has reconnected. Such a
  /// watcher names every node whose deletion was not reported to it.
  private func watch(_ node: NodeID, _ watcher: WatcherID, comesAgain: Bool) throws -> Bool {
    do {
      try store.watch(node, mask: Self.mask, by: watcher)
      return true
    } catch {
      guard comesAgain, Errno(any: error) == .stale else { throw error }
      return false
    }
  }

  /// The nodes that each watcher watches.
  var watched: [WatcherID: [NodeID]] { state.withLock(\.nodes) }

  /// Tells a watcher that a file is gone, unless it was told, and looks at the file no more.
  func tellOfGone(_ node: NodeID, to watcher: WatcherID) {
    if unwatch(node, watcher) { tellDeletion(of: node, to: watcher) }
    state.withLock { $0.nodes[watcher]?.removeAll { $0 == node } }
  }

  private func listen(to root: BackingFile) throws {
    try state.withLock { state in
      guard !state.hears else { return }
      try changes.tell(
        { [self] events in
          events?.forEach(tell)
          return false
        }, from: { try BackingEvents(on: root) })
      state.hears = true
    }
  }

  // MARK: Telling

  private func tell(_ event: FilesystemEvent) {
    if event.isLoss {
      tellOverflow()
      return sweep()
    }
    let (name, mask) = (event.name, WatchMask(event))
    let isOwn = name == "."
    if !isOwn, let directory = node(event.directory) { tell(directory, mask, name: name) }
    if let file = node(isOwn ? event.directory : event.file) { tellOwn(file, mask) }
    // Another call may have found that the file is gone, so that it has no node any more.
    if mask.contains(.deleteSelf) { tellDeletions() }
  }

  /// Tells what happened to a file itself.
  private func tellOwn(_ file: NodeID, _ mask: WatchMask) {
    // A file that stays open here would not be gone when its last name is.
    if mask.contains(.delete) { files.remove(file) }
    let own = mask.subtracting([.create, .delete, .movedFrom, .movedTo, .deleteSelf])
    if !own.isEmpty { tell(file, own, name: "") }
    if mask.contains(.deleteSelf) { _ = try? store.retire(file) }
  }

  private func node(_ handle: KernelFileHandle?) -> NodeID? {
    handle.flatMap { try? store.node(of: $0, on: filesystem) }?.id
  }

  private func tell(_ node: NodeID, _ mask: WatchMask, name: FilePath) {
    guard let watches = try? store.watches(of: node) else { return }
    for watch in watches {
      let wanted = watch.mask.intersection(mask)
      if !wanted.isEmpty { send(line(of: node, wanted, name: name), to: watch.watcher) }
    }
  }

  private func tellDeletion(of node: NodeID, to watcher: WatcherID) {
    send(line(of: node, .deleteSelf), to: watcher)
  }

  /// Ends a watch; returns whether there was one, so that a deletion is reported only once.
  private func unwatch(_ node: NodeID, _ watcher: WatcherID) -> Bool {
    (try? store.unwatch(node, by: watcher)) ?? false
  }

  private func tellDeletions() {
    while let deletions = try? store.deletions(), !deletions.isEmpty { tell(deletions) }
  }

  /// Tells the watchers of all mounts: the store reports each deletion once.
  private func tell(_ deletions: Deletions) {
    for watchers in neighbours.watchers { watchers.tellOwn(deletions) }
  }

  private func tellOwn(_ deletions: Deletions) {
    for node in deletions.nodes {
      for watch in (try? store.watches(of: node)) ?? []
      where state.withLock({ $0.sockets[watch.watcher] != nil }) && unwatch(node, watch.watcher) {
        tellDeletion(of: node, to: watch.watcher)
      }
    }
    if deletions.overflowed { tellOverflow() }
  }

  /// Checks every watched node, because events may have been missed.
  private func sweep() {
    do {
      var start: NodeID? = .root
      while let first = start {
        let step = try store.sweep(from: first)
        tell(step.deletions)
        start = step.next
      }
    } catch {
      log.error("checking the watched files failed", metadata: ["error": "\(error)"])
    }
  }

  private func tellOverflow() {
    state.withLock { state in
      for watcher in state.sockets.keys { send(.overflow, to: watcher, in: state) }
    }
  }

  private func send(_ line: EventLine, to watcher: WatcherID) {
    state.withLock { send(line, to: watcher, in: $0) }
  }

  private func send(_ line: EventLine, to watcher: WatcherID, in state: State) {
    guard let socket = state.sockets[watcher], let text = try? line.text()
    else { return }  // An event can always be encoded.
    // A watcher that does not read must not hold up the others. It loses what it has not read, and
    // gets an overflow when it reconnects.
    if !Processes.sendAtOnce("\(text)\n", to: socket) { Processes.shutDown(socket) }
  }

  private func line(of node: NodeID, _ mask: WatchMask, name: FilePath = "") -> EventLine {
    .change(
      node: node == root ? Server.rootNode : node.rawValue, name: name, events: mask.names)
  }
}

extension WatchMask {
  /// The events' names, much like those of `inotifywait(1)`.
  fileprivate var names: [String] {
    let all: [(WatchMask, String)] = [
      (.modify, "modify"), (.attrib, "attrib"), (.closeWrite, "closeWrite"),
      (.movedFrom, "movedFrom"), (.movedTo, "movedTo"), (.create, "create"), (.delete, "delete"),
      (.deleteSelf, EventLine.deletion), (.moveSelf, "moveSelf"),
    ]
    return all.filter { contains($0.0) }.map(\.1)
  }
}
