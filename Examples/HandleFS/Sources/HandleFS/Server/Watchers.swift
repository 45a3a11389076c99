internal import HandleStore
internal import Logging
internal import Synchronization
internal import SystemPackage

/// Those who want to hear what happens to nodes, whoever does it, through the mount or behind its back.
/// What each of them watches stands in the store, so that it goes on when this server was replaced.
final class Watchers: Sendable {
  private struct State {
    var sockets: [WatcherID: FileDescriptor] = [:]
    var nodes: [WatcherID: [NodeID]] = [:]
    var isListening = false
  }

  private let store: Store
  private let filesystem: FilesystemID
  private let root: NodeID
  private let files: FileCache
  private let log: Logger
  private let state = Mutex(State())

  init(_ source: Source, files: FileCache, log: Logger) {
    (store, filesystem, root) = (source.store, source.filesystem, source.export.root)
    self.files = files
    self.log = log
  }

  /// What is told of each node.
  private static let mask: WatchMask = [
    .modify, .attrib, .closeWrite, .movedFrom, .movedTo, .create, .delete, .deleteSelf, .moveSelf,
  ]

  /// Serves one watcher for as long as it stays connected.
  ///
  /// - Parameter comesAgain: whether it was served before, by this server or another: it may have missed
  ///   something.
  func serve(
    _ watcher: WatcherID, _ nodes: [NodeID], on socket: FileDescriptor, root: BackingFile,
    comesAgain: Bool
  ) throws {
    try listen(to: root)
    begin(watcher, nodes)
    defer { end(watcher) }
    var gone: [NodeID] = []
    for node in nodes where try !watch(node, watcher, comesAgain: comesAgain) { gone.append(node) }
    state.withLock { $0.sockets[watcher] = socket }
    send("{\"watching\": \(nodes.count - gone.count)}", to: watcher)
    for node in gone {
      _ = unwatch(node, watcher)
      tellDeletion(of: node, to: watcher)
    }
    // Those that were deleted while nobody could tell it.
    for node in nodes where (try? store.node(node))?.state != .live && unwatch(node, watcher) {
      tellDeletion(of: node, to: watcher)
    }
    if comesAgain { sweep(tell: watcher) }
    // It sends nothing more, and so this is its end.
    _ = try? socket.readOnce(1)
  }

  /// Ends the watches of those who were served by a server before this one, and have not come again since
  /// it began.
  func endAbsent() {
    do {
      var start: NodeID? = .root
      while let first = start {
        let page = try store.watchedNodes(from: first)
        for node in page.nodes {
          for watch in try store.watches(of: node.id)
          where state.withLock({ $0.nodes[watch.watcher] == nil }) {
            try store.unwatch(node.id, by: watch.watcher)
          }
        }
        start = page.next
      }
    } catch {
      log.error("ending the watches of those who are gone", metadata: ["error": "\(error)"])
    }
  }

  /// Nobody watches any more: the file system is gone.
  func endAll() { for watcher in state.withLock({ Array($0.nodes.keys) }) { end(watcher) } }

  /// One that was cut off and comes again waits until its former watches are ended.
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

  /// Says whether a node is there to be watched. One that comes again asks for what it was not told to
  /// be gone.
  private func watch(_ node: NodeID, _ watcher: WatcherID, comesAgain: Bool) throws -> Bool {
    do {
      try store.watch(node, mask: Self.mask, by: watcher)
      return true
    } catch {
      guard comesAgain, Errno(any: error) == .stale else { throw error }
      return false
    }
  }

  private func listen(to root: BackingFile) throws {
    try state.withLock { state in
      guard !state.isListening else { return }
      let source = Mutex(try BackingEvents(on: root))
      state.isListening = true
      Thread.start { [self] in
        while let events = try? source.withLock({ try $0.next() }) { events.forEach(tell) }
        log.error("what happens on the file system can be heard no more")
      }
    }
  }

  // MARK: Telling

  private func tell(_ event: BackingEvents.Event) {
    if event.isOverflow { return sweep(tell: nil) }
    // What happens to a directory itself comes under the name of a dot in it.
    let isOwn = event.name == "."
    if !isOwn, let directory = node(event.directory) {
      tell(directory, event.mask, name: event.name)
    }
    guard let file = node(isOwn ? event.directory : event.file) else { return }
    // A file that is open here would not be gone when its last name is.
    if event.mask.contains(.delete) { files.remove(file) }
    let own = event.mask.subtracting([.create, .delete, .movedFrom, .movedTo, .deleteSelf])
    if !own.isEmpty { tell(file, own, name: "") }
    if event.mask.contains(.deleteSelf) {
      _ = try? store.retire(file)
      tellDeletions()
    }
  }

  private func node(_ handle: KernelFileHandle?) -> NodeID? {
    handle.flatMap { try? store.node(of: $0, on: filesystem) }?.id
  }

  private func tell(_ node: NodeID, _ mask: WatchMask, name: FilePath) {
    guard let watches = try? store.watches(of: node) else { return }
    for watch in watches {
      let wanted = watch.mask.intersection(mask)
      if !wanted.isEmpty { send(line(node, wanted, name), to: watch.watcher) }
    }
  }

  private func tellDeletion(of node: NodeID, to watcher: WatcherID) {
    send(line(node, .deleteSelf, ""), to: watcher)
  }

  /// Says whether the node was watched: so that its deletion is told once.
  private func unwatch(_ node: NodeID, _ watcher: WatcherID) -> Bool {
    (try? store.unwatch(node, by: watcher)) ?? false
  }

  private func tellDeletions() {
    while let deletions = try? store.deletions(), !deletions.isEmpty { tell(deletions) }
  }

  private func tell(_ deletions: Deletions) {
    for node in deletions.nodes {
      for watch in (try? store.watches(of: node)) ?? []
      where state.withLock({ $0.sockets[watch.watcher] != nil }) && unwatch(node, watch.watcher) {
        tellDeletion(of: node, to: watch.watcher)
      }
    }
    if deletions.overflowed { tellOverflow(nil) }
  }

  /// Looks at every watched node, because something may have been missed.
  private func sweep(tell watcher: WatcherID?) {
    tellOverflow(watcher)
    do {
      try store.sweep { (deletions) throws(StoreError) in tell(deletions) }
    } catch {
      log.error("looking at all that is watched", metadata: ["error": "\(error)"])
    }
  }

  private func tellOverflow(_ watcher: WatcherID?) {
    let all = state.withLock { Array($0.sockets.keys) }
    for one in watcher.map({ [$0] }) ?? all { send("{\"overflow\": true}", to: one) }
  }

  private func send(_ line: String, to watcher: WatcherID) {
    state.withLock { state in
      guard let socket = state.sockets[watcher] else { return }
      // One that does not read must not hold up the others: it loses what it has not read, and is told
      // so when it comes again.
      if !Processes.sendAtOnce("\(line)\n", to: socket) { Processes.shutDown(socket) }
    }
  }

  private func line(_ node: NodeID, _ mask: WatchMask, _ name: FilePath) -> String {
    let names = mask.names.map { "\"\($0)\"" }.joined(separator: ", ")
    let number = node == root ? Server.rootNode : node.rawValue
    return "{\"node\": \(number), \"name\": \(JSON.string(name)), "
      + "\"events\": [\(names)]}"
  }
}

extension WatchMask {
  /// As `inotifywait(1)` has them, more or less.
  fileprivate var names: [String] {
    let all: [(WatchMask, String)] = [
      (.modify, "modify"), (.attrib, "attrib"), (.closeWrite, "closeWrite"),
      (.movedFrom, "movedFrom"), (.movedTo, "movedTo"), (.create, "create"), (.delete, "delete"),
      (.deleteSelf, "deleteSelf"), (.moveSelf, "moveSelf"),
    ]
    return all.filter { contains($0.0) }.map(\.1)
  }
}
