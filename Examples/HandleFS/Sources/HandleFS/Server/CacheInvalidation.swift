internal import HandleStore
internal import HandleLocks
internal import Synchronization
internal import SystemPackage

/// Tells the kernel of each change behind the mount's back, so that it asks again.
///
/// The kernel itself knows what it has changed through the mount, so this process's own changes are
/// skipped, unless a thread made them that serves another mount.
///
/// Why nothing out of date stays in the kernel's caches:
/// - A name: to forget it, the kernel waits for the lookups in the directory that are under way.
/// - The attributes of a file that the kernel knows: it ignores those in a reply to a request that it
///   sent before it was told of the change.
/// - The attributes of a file that the kernel does not know yet: ``CacheTimes`` notices a change before
///   the reply is sent. If the reply was sent, but the kernel does not know the file when it is told,
///   it is told again.
/// - The kernel is not told that a file was written while it asks for the attributes anyway
///   (``WrittenFiles``). What programs write through the mount would otherwise be such news each time.
/// - For files with a set-user-id bit the kernel always asks, and it must not be told: ``SetIDFiles``.
final class CacheInvalidation: Sendable {
  /// For how long the kernel is told again, in milliseconds.
  private static let patience = 10_000

  private let store: Store
  private let filesystem: FilesystemID
  private let root: NodeID
  private let lookups: Pins
  private let written: WrittenFiles
  private let setID: SetIDFiles
  private let notifier: Notifier
  private let times: CacheTimes
  private let statistics: ServerStatistics
  /// Whether the kernel was told that all may have changed before this server began.
  private let hasToldOfAll = Atomic(false)
  /// The nodes of which the kernel is to be told again, and until when.
  private let unknown = Locked<[NodeID: Int]>([:])

  init(
    _ source: Source, lookups: Pins, written: WrittenFiles, setID: SetIDFiles, notifier: Notifier,
    times: CacheTimes, statistics: ServerStatistics
  ) {
    (store, filesystem, root) = (source.store, source.filesystem, source.root)
    (self.lookups, self.written, self.setID, self.notifier) = (lookups, written, setID, notifier)
    (self.times, self.statistics) = (times, statistics)
  }

  /// Handles events, in their order; see ``BackingChanges/Listener``.
  func handle(_ events: [FilesystemEvent]?) -> Bool {
    if events == nil { times.end() }
    do {
      for event in events ?? [] where !notifier.isOwn(event.process) {
        if event.isLoss { handleLoss() } else { try handle(event) }
      }
    } catch {
      // The store does not say which nodes the events are about.
      handleLoss()
    }
    if events == nil { handleLoss() }
    return tellAgain()
  }

  /// Any file may have changed: the kernel has to ask for everything again.
  func handleLoss() {
    times.noteLoss()
    notifier.expireNames()
    tellOfAll()
  }

  /// Has the kernel ask for all attributes again: an earlier server may have known what the kernel was to
  /// be told again. Call it once, when the server begins.
  func begin() {
    FaultPoint.wait(at: .aboutToTellOfAll)
    tellOfAll()
    hasToldOfAll.store(true, ordering: .releasing)
  }

  /// Has the kernel ask for the attributes of every node again.
  private func tellOfAll() { for node in lookups.nodes { tell(node) } }

  private func handle(_ event: FilesystemEvent) throws {
    // First of all: a lookup of a file without a node may be under way.
    for file in [event.file, event.directory] { if let file { times.noteChange(file) } }
    let file = try node(event.file)
    let isOfContents = WatchMask(event).isSubset(of: [.modify, .closeWrite])
    if isOfContents, let file, kernelAsksForWritten(file) { return }
    statistics.count(.changesBehind)
    let isOfName = !WatchMask(event).isDisjoint(with: Self.ofNames)
    if isOfName || event.name == ".", let directory = try node(event.directory) {
      tell(directory)
      if isOfName { tellOfName(event, in: number(directory)) }
    }
    if let file {
      if WatchMask(event).contains(.attrib) { noteSetID(file) }
      tell(file)
    }
  }

  /// Whether the kernel asks for a file's attributes because the file is or was open for writing.
  ///
  /// A new server does not know how files are open, and all count as open for writing. Of those that are
  /// not, the kernel believes what an earlier server has said, until it is told of all files.
  private func kernelAsksForWritten(_ node: NodeID) -> Bool {
    hasToldOfAll.load(ordering: .acquiring) && written.kernelAsks(for: node)
  }

  /// Takes note that a file may have got a set-user-id or set-group-id bit.
  private func noteSetID(_ node: NodeID) {
    guard let file = try? store.open(node) else { return }
    defer { try? file.close() }
    if let mode = try? FileStatus(of: file).mode, hasSetID(mode) { try? setID.add(node) }
  }

  private static let ofNames: WatchMask = [.create, .delete, .movedFrom, .movedTo]

  /// Has the kernel forget the name of an event.
  ///
  /// A new name only expires. The kernel may know by now what it leads to; if it forgot the name of a
  /// new directory, `getcwd(2)` would fail for who already works there. That there is no such name,
  /// it does not believe any more when that has expired.
  private func tellOfName(_ event: FilesystemEvent, in directory: UInt64) {
    if WatchMask(event).isDisjoint(with: [.delete, .movedFrom, .movedTo]) {
      notifier.expire(event.name, in: directory)
    } else {
      notifier.forget(event.name, in: directory)
    }
  }

  /// Returns the node of a file that the kernel may know.
  private func node(_ handle: KernelFileHandle?) throws -> NodeID? {
    guard let handle, let node = try store.node(of: handle, on: filesystem)?.id,
      node == root || lookups.count(of: node) > 0
    else { return nil }
    return node
  }

  /// Has the kernel ask for a node's attributes again.
  private func tell(_ node: NodeID) {
    guard !invalidate(node) else { return }
    unknown.withLock { $0[node] = Processes.now + Self.patience }
  }

  /// Returns whether the kernel is to be told of something again.
  private func tellAgain() -> Bool {
    let now = Processes.now
    let nodes = unknown.withLock { $0 }
    guard !nodes.isEmpty else { return false }
    let left = nodes.filter { node, end in
      now <= end && lookups.count(of: node) > 0 && !invalidate(node)
    }
    unknown.withLock { $0 = left }
    return !left.isEmpty
  }

  /// Has the kernel ask for a node's attributes before it uses them again.
  ///
  /// - Returns: `false` if the kernel does not know the node.
  @discardableResult
  func invalidate(_ node: NodeID) -> Bool {
    setID.kernelAsks(for: node) || notifier.invalidate(number(node))
  }

  private func number(_ node: NodeID) -> UInt64 { node == root ? Server.rootNode : node.rawValue }
}
