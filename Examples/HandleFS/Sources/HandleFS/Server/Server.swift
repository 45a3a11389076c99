internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import Logging
internal import PostgresNodeIndex
internal import Synchronization
internal import SystemPackage

/// A passthrough filesystem: it carries out the kernel's requests in a directory of another
/// filesystem. The kernel's node ids are the store's. The server opens a file by its handle when it is
/// needed, and keeps open only a bounded cache of files and the files that have lost their last
/// name. Where files cannot be opened by handle, it keeps open all that the kernel knows.
final class Server: RequestHandler {
  let store: Store
  let source: Source
  let neighbours: Neighbours
  /// The node of the directory that is shown.
  let root: NodeID
  /// The files that are kept open, if they cannot be opened by their handles.
  let kept: KeptFiles?
  let roomBell: Bell
  let filesystems: Filesystems
  let journal: IntentJournal
  let openFiles: OpenFiles
  let written: WrittenFiles
  let closing: BackgroundClosing
  let files: FileCache
  let listings = Listings()
  let readingAhead: ReadingAhead
  let buffers = BufferPool()
  let statistics = ServerStatistics()
  let recentErrors = RecentErrors()
  let options: ServerOptions
  let log: Logger
  private let pins: MountPins
  let setID: SetIDFiles
  let orphans: Orphans
  /// What bounds the nodes that the kernel knows; `nil` if nothing does.
  let bound: NodeBound?
  let watchers: Watchers
  let changes: BackingChanges
  let times: CacheTimes
  let invalidation: CacheInvalidation
  let housekeeping: Housekeeping
  let notifier: Notifier
  /// The connection to the kernel (`/dev/fuse`).
  let fuse: FileDescriptor
  /// The device number of the mount, `major:minor`.
  let device: String
  /// Whether requests come over io_uring.
  let hasRings: Bool
  let history: MountHistory
  /// When the server started, in milliseconds since 1970.
  let started = Clock.sinceEpoch

  init(
    _ source: Source, session: SessionDescriptors, options: ServerOptions,
    among neighbours: Neighbours, log: Logger
  ) throws {
    (self.source, self.neighbours) = (source, neighbours)
    (store, root, kept) = (source.store, source.root, source.kept)
    filesystems = try Filesystems(
      source, root: BackingFile(store.open(root)), crossesMounts: options.crossesMounts)
    self.options = options
    self.log = log
    journal = try IntentJournal(in: session.journal)
    openFiles = try OpenFiles(in: session.opens, fuse: session.fuse)
    written = WrittenFiles(of: openFiles)
    pins = try MountPins(session, in: store)
    orphans = Orphans(
      in: store, parked: pins.parked, socket: session.parking, areParked: source.kept == nil)
    bound = try NodeBound(nodes: options.nodes, idle: options.idleForget)
    closing = try BackgroundClosing()
    readingAhead = try ReadingAhead()
    files = FileCache(capacity: options.files, closing: closing)
    housekeeping = Housekeeping(
      store, among: neighbours, isShared: store.gatewayStatus != nil, log: log)
    changes = BackingChanges(log: log)
    watchers = Watchers(source, among: neighbours, files: files, changes: changes, log: log)
    notifier = Notifier(notices: session.noticesOut)
    roomBell = try Bell()
    times = CacheTimes(given: options.cacheTimeout)
    setID = try SetIDFiles(in: session.setID, of: store, lookups: pins.lookups, notifier: notifier)
    invalidation = CacheInvalidation(
      source, lookups: pins.lookups, written: written, setID: setID, notifier: notifier,
      times: times,
      statistics: statistics)
    fuse = session.fuse
    device = try session.device
    hasRings = session.hasRings
    history = MountHistory(in: session.history)
  }
}

/// What holds nodes for a mount. If the mount cannot be served, it holds nothing any more.
final class MountPins: Sendable {
  let lookups, parked: Pins
  private let store: Store

  init(_ session: SessionDescriptors, in store: Store) throws {
    self.store = store
    lookups = try store.pins(in: session.lookups)
    do {
      parked = try store.pins(in: session.parked)
    } catch {
      store.remove(lookups)
      throw error
    }
  }

  /// Takes back all of them, because the filesystem is not mounted any more.
  func unpinAll() { for pins in [lookups, parked] { pins.unpinAll() } }

  deinit { for pins in [lookups, parked] { store.remove(pins) } }
}

/// The options of a server.
struct ServerOptions {
  /// Whether the mount also shows what is mounted inside the source directory.
  var crossesMounts: Bool
  /// Whether all changes are refused.
  var readOnly: Bool
  /// For how long the kernel may believe names and attributes, in seconds; `nil` if the user does not
  /// say.
  var cacheTimeout: Double?
  /// Whether the kernel reads and writes open files by itself.
  var passthrough: Bool
  /// How many requests the kernel sends in the background, and how many make it hold back more.
  var maxBackground: Int
  var congestion: Int
  /// The most nodes that the kernel and the store are to keep; 0 for any number.
  var nodes: Int
  /// For how many seconds the kernel may keep a node that nobody uses; 0 for ever.
  var idleForget: Double
  /// The most files that the server's cache keeps open.
  var files: Int
  /// Whether the user named a directory for the nodes of a shared store.
  var hasCache: Bool
  /// Whether the server ends when it finds damage in its store, so that the supervisor repairs it.
  /// `false` right after a repair: then the request gets `EIO` instead of never being answered.
  var endsOnDamage = true
  /// Where the filesystem was mounted.
  var mountpoint: String
}

// MARK: Caching

extension Server {
  /// Has the kernel believe names and attributes for long, if the server hears of each change behind the
  /// mount's back. Call it when the notifier is connected, before the server answers a request.
  func beginCaching(_ session: SessionDescriptors) throws {
    guard BackingEvents.isWatch(session.events) else { return }
    // Nothing may fail once a thread reads the events: they would be lost for the next server.
    let device = try BackingFile(store.open(root)).status.st_dev
    try changes.tell({ [self] events in
      letGoOfRemoved(events ?? [])
      return invalidation.handle(events)
    }) {
      try BackingEvents(in: session.events, unhandled: session.unhandled)
    }
    times.begin(device)
    Thread.start { [invalidation] in invalidation.begin() }
  }

  /// For how long the kernel may believe the attributes of a node's file in a reply that does not make the
  /// node known.
  ///
  /// - Parameter wasWritten: what ``WrittenFiles/isAboutToTell(_:)`` returned before the status was read.
  func timeOfAttributes(_ node: NodeID, _ status: stat, wasWritten: Bool) throws -> Double {
    if hasSetID(status.st_mode) { try setID.add(node) }
    return mayBelieve(node, wasWritten: wasWritten) ? times.time(on: status.st_dev) : 0
  }

  /// Whether the kernel may believe the attributes of a node's file for any time.
  func mayBelieve(_ node: NodeID, wasWritten: Bool) -> Bool {
    !wasWritten && !written.contains(node) && !setID.contains(node)
  }
}

// MARK: Nodes

extension Server {
  /// The kernel's lookup count of each node: its lookups less what it has forgotten. It is an upper
  /// bound.
  var lookups: Pins { pins.lookups }

  /// Holds no node any more, because the filesystem is not mounted any more.
  func unpinAll() {
    pins.unpinAll()
    setID.removeAll()
  }

  /// The kernel's number of an export's root.
  static let rootNode: UInt64 = 1

  /// Returns the node that a kernel number stands for.
  func node(_ number: UInt64) -> NodeID {
    number == Self.rootNode ? root : NodeID(rawValue: number)
  }

  /// Returns a node's number and generation for the kernel.
  func wire(_ node: NodeID) -> (number: UInt64, generation: UInt64) {
    node == root ? (Self.rootNode, 0) : (node.rawValue, UInt64(store.incarnation))
  }

  /// Returns a node's file, opened with `O_PATH`.
  ///
  /// A node that the kernel has looked up was found in the directory that is shown. Any other
  /// number, such as one from a file handle of an earlier mount, passes the gate first.
  func path(_ number: UInt64) throws -> BackingFile {
    try openFile(number) ?? openedFile(number).file
  }

  /// Returns a node's file, opened with `O_PATH`, and its status.
  func pathAndStatus(_ number: UInt64) throws -> (file: BackingFile, status: stat) {
    guard let file = openFile(number) else { return try openedFile(number) }
    return (file, try file.status)
  }

  /// Returns a node's file if it is open.
  private func openFile(_ number: UInt64) -> BackingFile? {
    let node = node(number)
    bound?.uses.note(node)
    return files.find(node, .path, .writing) ?? orphans[node]
  }

  /// Opens a node's file with `O_PATH`.
  private func openedFile(_ number: UInt64) throws -> (file: BackingFile, status: stat) {
    let node = node(number)
    let isKnown = node == root || lookups.count(of: node) > 0
    let file = BackingFile(
      try withDescriptors {
        isKnown ? try store.open(node) : try source.open(node)
      })
    let status = try file.status
    filesystems.learn(file, status)
    if isKnown {
      files.insert(file, of: node, for: .path)
      if status.st_nlink == 0 { housekeeping.losesName(node) }
    }
    return (file, status)
  }

  /// Returns a node's file, open for reading or writing.
  func data(_ number: UInt64, _ access: Access) throws -> BackingFile {
    let node = node(number)
    if let file = files.find(node, access) { return file }
    let path = try path(number)
    let file = try withDescriptors { try path.reopened(flags: access.flags) }
    files.insert(file, of: node, for: access)
    return file
  }

  /// Calls `body`; if no descriptor is left, makes room and tries again.
  func withDescriptors<R>(_ body: () throws -> R) throws -> R {
    try neighbours.withDescriptors(body)
  }
}

extension Access {
  fileprivate var flags: CInt {
    switch self {
    case .path: HF_PATH
    case .reading: O_RDONLY | O_NONBLOCK | O_NOCTTY
    // Not O_APPEND: a resent write must go to the same place.
    case .writing: O_RDWR | O_NONBLOCK | O_NOCTTY
    }
  }
}

extension Errno {
  /// Converts an error of the store or of a system call to the errno for the kernel.
  init(any error: any Error) {
    switch error {
    case let error as Errno: self = error
    // The database does not answer, or another mount has taken over the gateway's name.
    case StoreError.system(.timedOut, _), StoreError.inUse: self = .ioError
    case let error as StoreError: self = error.errno
    default: self = .ioError
    }
  }
}
