internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import Logging
internal import Synchronization
internal import SystemPackage

/// A passthrough file system: what the kernel asks for is done in a directory of another one. It holds
/// no file but those in its cache: the kernel's node ids are the store's, and each file is opened by its
/// handle when it is needed.
final class Server: Sendable {
  let store: Store
  let export: Export
  let filesystems: Filesystems
  let journal: IntentJournal
  let openFiles: OpenFiles
  let files: FileCache
  let listings = Listings()
  let buffers = BufferPool()
  let statistics = ServerStatistics()
  let options: ServerOptions
  let log: Logger
  /// How often the kernel has looked up each node, less what it has forgotten: it may be less in truth.
  let lookups: Pins
  let orphans: Orphans
  let watchers: Watchers
  let housekeeping: Housekeeping
  let notifier: Notifier
  /// The connection to the kernel.
  let fuse: FileDescriptor
  /// The number of the device that is mounted.
  let device: String

  init(
    _ source: Source, session: SessionDescriptors, options: ServerOptions, log: Logger
  ) throws {
    (store, export) = (source.store, source.export)
    filesystems = try Filesystems(
      source, root: BackingFile(store.open(export.root)), crossesMounts: options.crossesMounts)
    self.options = options
    self.log = log
    journal = try IntentJournal(in: session.journal)
    openFiles = try OpenFiles(in: session.opens, fuse: session.fuse)
    lookups = try store.pins(in: session.lookups)
    orphans = try Orphans(in: store, parked: session.parked, socket: session.parking)
    files = FileCache(capacity: options.files)
    housekeeping = Housekeeping(store, log: log)
    watchers = Watchers(source, files: files, log: log)
    notifier = Notifier()
    fuse = session.fuse
    device = try session.device
  }
}

/// What a server is told by its supervisor.
struct ServerOptions {
  /// Whether what is mounted inside the directory is shown too.
  var crossesMounts: Bool
  /// Whether nothing may be changed.
  var readOnly: Bool
  /// For how long the kernel may believe names and attributes, in seconds.
  var cacheTimeout: Double
  /// Whether the kernel reads and writes open files by itself.
  var passthrough: Bool
  /// How many files the server keeps open.
  var files: Int
  /// Whether the server ends where it meets damage in its store, so that the supervisor mends that. Not
  /// where this has just been done: who asks gets `EIO` then, and not nothing for ever.
  var endsOnDamage = true
}

// MARK: Nodes

extension Server {
  /// The kernel's name for an export's root.
  static let rootNode: UInt64 = 1

  /// A node by the kernel's number for it.
  func node(_ number: UInt64) -> NodeID {
    number == Self.rootNode ? export.root : NodeID(rawValue: number)
  }

  /// A node's number in the kernel, and its generation.
  func wire(_ node: NodeID) -> (number: UInt64, generation: UInt64) {
    node == export.root ? (Self.rootNode, 0) : (node.rawValue, UInt64(store.incarnation))
  }

  /// A node's file, as a path.
  ///
  /// What the kernel knows was found in the directory that is shown. Any other number, such as that in a
  /// file handle of an earlier mount, passes the gate first.
  func path(_ number: UInt64) throws -> BackingFile {
    let node = node(number)
    if let file = files.find(node, .path) ?? orphans[node] { return file }
    let isKnown = node == export.root || lookups.count(of: node) > 0
    let file = BackingFile(
      try withDescriptors {
        isKnown ? try store.open(node) : try export.open(.node(node), .path)
      })
    try filesystems.learn(file)
    if isKnown {
      files.insert(file, node, .path)
      if file.hasNoName { housekeeping.losesName(node) }
    }
    return file
  }

  /// A node's file, open for reading or writing.
  func data(_ number: UInt64, _ access: Access) throws -> BackingFile {
    let node = node(number)
    if let file = files.find(node, access) { return file }
    let path = try path(number)
    let file = try withDescriptors { try path.reopened(flags: access.flags) }
    files.insert(file, node, access)
    return file
  }

  /// Tries again with fewer files in the cache where no descriptor is left.
  func withDescriptors<R>(_ body: () throws -> R) throws -> R {
    for _ in 0..<8 {
      do {
        return try body()
      } catch  where Errno(any: error) == .tooManyOpenFiles {
        files.shrink()
      }
    }
    return try body()
  }
}

extension Access {
  fileprivate var flags: CInt {
    switch self {
    case .path: HF_PATH
    case .reading: O_RDONLY | O_NONBLOCK | O_NOCTTY
    // Not O_APPEND: a write that comes again has to go to the same place.
    case .writing: O_RDWR | O_NONBLOCK | O_NOCTTY
    }
  }
}

extension Errno {
  /// What an error of the store or of a call is to the kernel.
  init(any error: any Error) {
    switch error {
    case let error as Errno: self = error
    case let error as StoreError: self = error.errno
    default: self = .ioError
    }
  }
}
