internal import SystemPackage

/// What a server gets from its supervisor: it is open in both, under these numbers in the server.
struct SessionDescriptors {
  /// `/dev/fuse`, mounted.
  var fuse = FileDescriptor(rawValue: 3)
  /// A socket to the other one of the two.
  var control = FileDescriptor(rawValue: 4)
  /// The socket of the files that are parked.
  var parking = FileDescriptor(rawValue: 5)
  /// How the file system began, see ``writeStart(device:request:)``.
  var start = FileDescriptor(rawValue: 6)
  /// Memory that outlives a server: what it has under way, which files are open, which nodes the kernel
  /// knows.
  var journal = FileDescriptor(rawValue: 7)
  var opens = FileDescriptor(rawValue: 8)
  var lookups = FileDescriptor(rawValue: 9)
  /// The same of the nodes whose files are parked.
  var parked = FileDescriptor(rawValue: 12)
  /// Where questions to the server arrive.
  var questions = FileDescriptor(rawValue: 10)
  /// Where orders to the supervisor arrive.
  var orders = FileDescriptor(rawValue: 11)

  /// The directory that is shown: by its path another one, or the mount itself, might be found later.
  var source = FileDescriptor(rawValue: 13)

  init() {}

  /// Those of a new file system.
  init(
    fuse: FileDescriptor, source: FileDescriptor, questions: FileDescriptor, orders: FileDescriptor
  ) throws {
    (self.fuse, self.source) = (fuse, source)
    (self.questions, self.orders) = (questions, orders)
    start = try Processes.memoryFile("handlefs start")
    journal = try Processes.memoryFile("handlefs journal")
    opens = try Processes.memoryFile("handlefs opens")
    lookups = try Processes.memoryFile("handlefs lookups")
    parked = try Processes.memoryFile("handlefs parked")
  }

  static func openFUSE() throws -> FileDescriptor {
    do {
      return try FileDescriptor.open(FilePath("/dev/fuse"), .readWrite, options: .closeOnExec)
    } catch {
      throw CommandError("opening /dev/fuse: \(error); run as root, with the kernel's module fuse")
    }
  }

  private static let deviceLength = 32

  /// Keeps the file system's device number, `major:minor`, and the request with which the kernel began.
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

  /// In the order of their numbers.
  var all: [FileDescriptor] {
    [fuse, control, parking, start, journal, opens, lookups, questions, orders, parked, source]
  }
}

/// What supervisor and server tell each other, a byte each.
enum Message: UInt8 {
  // From the server.

  /// The store is open.
  case prepared = 1
  /// Requests are served.
  case serving
  /// The file system is not mounted any more.
  case unmounted
  /// It runs: the answer to ``isRunning``.
  case runs

  // From the supervisor.

  /// The file system is mounted, without FUSE_PASSTHROUGH or with it.
  case mounted
  case mountedWithPassthrough
  /// Let another server take over.
  case stop
  /// Say that you run.
  case isRunning
}
