import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Each public call that is little more than a system call throws a ``StoreError``, whose text says
/// what was being done, and to what.
@Suite struct SystemErrorTests {
  struct Call: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let errno: Errno
    let text: String
    let body: @Sendable (Files) throws -> Void

    init(
      _ name: String, _ errno: Errno, _ text: String,
      _ body: @escaping @Sendable (Files) throws -> Void
    ) {
      (testDescription, self.errno, self.text, self.body) = (name, errno, text, body)
    }
  }

  /// A directory, a file, and a number that is no open descriptor.
  struct Files {
    let directory: FileDescriptor
    let file: FileDescriptor
    let bad = FileDescriptor(rawValue: -1)
  }

  static let calls: [Call] = [
    Call("KernelFileHandle(of:)", .badFileDescriptor, "making the handle of file descriptor -1: ") {
      _ = try KernelFileHandle(of: $0.bad)
    },
    Call(
      "KernelFileHandle(name:)", .noSuchFileOrDirectory, #"making the handle of "no": "#
    ) { _ = try KernelFileHandle(name: "no", in: $0.directory) },
    Call("KernelFileHandle(name:), no name", .invalidArgument, #""a/b" is not a single name; "#) {
      _ = try KernelFileHandle(name: "a/b", in: $0.directory)
    },
    Call(
      "KernelFileHandle(resolving:)", .noSuchFileOrDirectory, #"making the handle of "": "#
    ) { _ = try KernelFileHandle(resolving: "", in: $0.directory) },
    Call("FoundFile(of:)", .badFileDescriptor, "making the handle of file descriptor -1: ") {
      _ = try FoundFile(of: $0.bad)
    },
    Call("FoundFile(name:)", .noSuchFileOrDirectory, #"making the handle of "no": "#) {
      _ = try FoundFile(name: "no", in: $0.directory)
    },
    Call("FoundFile(name:), no name", .invalidArgument, #"".." is not a single name; "#) {
      _ = try FoundFile(name: "..", in: $0.directory)
    },
    Call("FoundFile(resolving:)", .notDirectory, #"making the handle of "no": "#) {
      _ = try FoundFile(resolving: "no", in: $0.file)
    },
    Call("FoundFile.mount", .noSuchFileOrDirectory, #"reading the status of "no": "#) {
      _ = try FoundFile.mount(resolving: "no", in: $0.directory)
    },
    Call("FileStatus(of:)", .badFileDescriptor, "reading the status of file descriptor -1: ") {
      _ = try FileStatus(of: $0.bad)
    },
    Call("FileStatus(name:)", .noSuchFileOrDirectory, #"reading the status of "no": "#) {
      _ = try FileStatus(name: "no", in: $0.directory)
    },
    Call("FileStatus(name:), no name", .invalidArgument, #""" is not a single name; "#) {
      _ = try FileStatus(name: "", in: $0.directory)
    },
    Call("FileStatus(resolving:)", .badFileDescriptor, #"reading the status of "no": "#) {
      _ = try FileStatus(resolving: "no", in: $0.bad)
    },
    Call(
      "DescriptorPath(of:)", .noSuchFileOrDirectory, "asking for the path of file descriptor -1: "
    ) { _ = try DescriptorPath(of: $0.bad) },
    Call("DirectoryEntries.next", .notDirectory, "reading the entries of file descriptor ") {
      var entries = DirectoryEntries(of: $0.file)
      _ = try entries.next()
    },
    Call("FilesystemProbe(of:)", .badFileDescriptor, "asking for the filesystem of file descriptor")
    { _ = try FilesystemProbe(of: $0.bad) },
    Call("Intent.wasDone", .badFileDescriptor, #"reading the status of "no": "#) {
      _ = try Intent.create(.regular, as: "no").wasDone(in: $0.bad)
    },
    Call("Intent.wasDone, no name", .invalidArgument, #""a/b" is not a single name; "#) {
      _ = try Intent.remove("a/b", of: Synthetic.opaque(1, length: 8)).wasDone(in: $0.directory)
    },
    Call("IntentJournal(in:)", .badFileDescriptor, "using the file of a journal for 8 requests: ") {
      _ = try IntentJournal(in: $0.bad, capacity: 8)
    },
    Call("IntentJournal(capacity:)", .invalidArgument, "a journal has room for 1 to ") {
      _ = try IntentJournal(in: $0.file, capacity: 0)
    },
    Call("IntentJournal.note", .noBufferSpace, "noting a request in a journal that has room for 1")
    {
      let journal = try IntentJournal(in: $0.file, capacity: 1)
      for request: UInt64 in 1...2 { try journal.note(.createAttribute("a"), for: request) }
    },
    Call("IntentJournal.note, request 0", .invalidArgument, "a journal has no request 0; ") {
      try IntentJournal(in: $0.file, capacity: 1).note(.createAttribute("a"), for: 0)
    },
    Call("OpenFiles(in:)", .badFileDescriptor, "taking over the opens in a file: ") {
      _ = try OpenFiles(in: $0.bad, fuse: $0.bad)
    },
    Call("OpenFiles.open", .badFileDescriptor, "recording an open of node 1: ") { files in
      let reading = try FileDescriptor.open("/dev/null", .readOnly)
      let opens = try reading.closeAfter { try OpenFiles(in: reading, fuse: files.bad) }
      _ = try opens.open(1, of: .root, file: nil)
    },
    Call("OpenFiles.open, number 0", .invalidArgument, "an open has no number 0; ") {
      _ = try OpenFiles(in: $0.file, fuse: $0.bad).open(0, of: .root, file: nil)
    },
    Call("Parking.park", .brokenPipe, "parking the file of node 1: ") { files in
      try withoutPeer { try $0.park(files.file, of: .root) }
    },
    Call("Parking.release", .brokenPipe, "releasing the parked file of node 1: ") { _ in
      try withoutPeer { try $0.release(.root) }
    },
    Call("ParkedFiles.receive", .badFileDescriptor, "receiving a parked file: ") {
      _ = try ParkedFiles().receive(from: $0.bad)
    },
  ]

  private static func withoutPeer(_ body: (Parking) throws -> Void) throws {
    let sockets = try Parking.makeSockets()
    try sockets.its.close()
    try sockets.mine.closeAfter { try body(Parking(socket: sockets.mine)) }
  }

  @Test(arguments: calls) func itIsAStoreError(_ call: Call) throws {
    let place = try TemporaryDirectory()
    let file = try FileDescriptor.open(
      place.appending("file"), .readWrite, options: .create, permissions: .ownerReadWrite)
    defer { try? file.close() }
    try withDirectory(place.path) { directory in
      let error = #expect(throws: StoreError.self) {
        try call.body(Files(directory: directory, file: file))
      }
      #expect(error?.errno == call.errno)
      #expect(error?.description.hasPrefix(call.text) == true, "\(error.debugDescription)")
    }
  }
}
