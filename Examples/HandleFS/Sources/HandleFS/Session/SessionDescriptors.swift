internal import SystemPackage

/// The descriptors that a server inherits from its supervisor. Both have them open; the
/// numbers are those in the server.
struct SessionDescriptors {
  /// `/dev/fuse`, mounted.
  var fuse = FileDescriptor(rawValue: 3)
  /// The socket between supervisor and server; each process holds one end.
  var control = FileDescriptor(rawValue: 4)
  /// The socket through which the server parks files in the supervisor.
  var parking = FileDescriptor(rawValue: 5)
  /// The device number and the kernel's first request; see ``writeStart(device:request:)``.
  var start = FileDescriptor(rawValue: 6)
  /// Memory that outlives a server: which requests it has under way.
  var journal = FileDescriptor(rawValue: 7)
  /// Memory that outlives a server: which files are open.
  var opens = FileDescriptor(rawValue: 8)
  /// Memory that outlives a server: which nodes the kernel knows.
  var lookups = FileDescriptor(rawValue: 9)
  /// Memory that outlives a server: the nodes whose files are parked.
  var parked = FileDescriptor(rawValue: 12)
  /// The socket on which questions to the server arrive.
  var questions = FileDescriptor(rawValue: 10)
  /// The socket on which orders to the supervisor arrive.
  var orders = FileDescriptor(rawValue: 11)

  /// The directory that is shown. It is kept open, because its path may later lead to another
  /// directory or to the mount itself.
  var source = FileDescriptor(rawValue: 13)

  /// The directory of the store. It is kept open, because its path may later lead to another store.
  /// `/dev/null` if the nodes are in a database.
  var store = FileDescriptor(rawValue: 14)

  /// Memory that outlives all processes of the mount: see ``MountHistory``.
  var history = FileDescriptor(rawValue: 15)

  /// Where the events of the source's filesystem come from, or `/dev/null`: see ``BackingEvents``.
  var events = FileDescriptor(rawValue: 16)
  /// Memory that outlives a server: the events that it was handling.
  var unhandled = FileDescriptor(rawValue: 17)
  /// Two connected sockets: the server sends notices for the kernel, and the supervisor passes them on.
  var noticesOut = FileDescriptor(rawValue: 18)
  var noticesIn = FileDescriptor(rawValue: 19)

  /// The file by which the mounts of one store find each other: see ``StoreSharing``. `/dev/null` if the
  /// nodes are in a database.
  var sharing = FileDescriptor(rawValue: 20)
  /// Memory that outlives a server: see ``SetIDFiles``.
  var setID = FileDescriptor(rawValue: 21)
  /// Memory that outlives a server: the requests that come over io_uring. Empty if all come over
  /// `/dev/fuse`.
  var rings = FileDescriptor(rawValue: 22)

  init() {}

  /// The descriptors of another process, in the order of ``all``; `nil` if that has not as many.
  init?(_ descriptors: [FileDescriptor]) {
    guard descriptors.count == Self.places.count else { return nil }
    for (place, descriptor) in zip(Self.places, descriptors) { self[keyPath: place] = descriptor }
  }

  /// Creates the descriptors of a new filesystem.
  ///
  /// - Parameters:
  ///   - isShared: whether the nodes are in a database, so that there is no directory of a store.
  ///   - hearsOfChanges: whether the server is to hear of changes behind the mount's back.
  init(
    fuse: FileDescriptor, source: FileDescriptor, store: FileDescriptor, isShared: Bool,
    questions: FileDescriptor, orders: FileDescriptor, hearsOfChanges: Bool
  ) throws {
    (self.fuse, self.source, self.store) = (fuse, source, store)
    (self.questions, self.orders) = (questions, orders)
    sharing = isShared ? try Self.openNothing() : try StoreSharing.join(store)
    start = try Processes.memoryFile("handlefs start")
    journal = try Processes.memoryFile("handlefs journal")
    opens = try Processes.memoryFile("handlefs opens")
    lookups = try Processes.memoryFile("handlefs lookups")
    parked = try Processes.memoryFile("handlefs parked")
    history = try Processes.memoryFile("handlefs history")
    unhandled = try Processes.memoryFile("handlefs events")
    setID = try Self.memoryOfSetIDFiles()
    rings = try Processes.memoryFile("handlefs rings")
    (noticesOut, noticesIn) = try Processes.socketPair()
    let watch = hearsOfChanges ? BackingEvents.watch(source) : nil
    events = try watch ?? Self.openNothing()
  }

  static func openNothing() throws(Errno) -> FileDescriptor {
    do {
      return try FileDescriptor.open(FilePath("/dev/null"), .readOnly, options: .closeOnExec)
    } catch {
      throw Errno(any: error)
    }
  }

  static func memoryOfSetIDFiles() throws(Errno) -> FileDescriptor {
    try Processes.memoryFile("handlefs set-id")
  }

  static func openFUSE() throws -> FileDescriptor {
    do {
      return try FileDescriptor.open(FilePath("/dev/fuse"), .readWrite, options: .closeOnExec)
    } catch {
      throw CommandError("opening /dev/fuse: \(error); run as root, with the module fuse loaded")
    }
  }

  private static let deviceLength = 32

  /// Saves the filesystem's device number, `major:minor`, and the kernel's first request.
  func writeStart(device: String, request: [UInt8]) throws(Errno) {
    let padding = [UInt8](repeating: 0x20, count: Self.deviceLength - device.utf8.count)
    try start.writeOnce(Array(device.utf8) + padding + request)
  }

  var device: String {
    get throws(Errno) {
      let bytes = try start.contents().prefix(Self.deviceLength)
      return String(decoding: bytes.prefix { $0 != 0x20 }, as: UTF8.self)
    }
  }

  var startRequest: [UInt8] {
    get throws(Errno) { try start.contents(from: Self.deviceLength) }
  }

  /// Whether requests come over io_uring.
  var hasRings: Bool { (try? rings.seek(offset: 0, from: .end)).map { $0 > 0 } ?? false }

  /// All descriptors, in the order of their numbers in the server.
  var all: [FileDescriptor] { Self.places.map { self[keyPath: $0] } }

  private static var places: [WritableKeyPath<SessionDescriptors, FileDescriptor>] {
    [
      \.fuse, \.control, \.parking, \.start, \.journal, \.opens, \.lookups, \.questions, \.orders,
      \.parked, \.source, \.store, \.history, \.events, \.unhandled, \.noticesOut, \.noticesIn,
      \.sharing, \.setID, \.rings,
    ]
  }
}
