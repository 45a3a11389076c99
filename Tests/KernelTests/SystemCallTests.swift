import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// Each call of the wall to the kernel, made so that it fails: the error is the kernel's own. (What a
/// signal does to a call is in InterruptTests of the command.)
@Suite struct SystemCallTests {
  struct Call: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let errno: Errno
    let body: @Sendable (FileDescriptor) throws -> Void

    init(
      _ name: String, _ errno: Errno, _ body: @escaping @Sendable (FileDescriptor) throws -> Void
    ) {
      (testDescription, self.errno, self.body) = (name, errno, body)
    }
  }

  private static let handle = Synthetic.handle(1)
  private static let missing: FilePath = "/proc/self/nonexistent"

  /// Calls with a descriptor that is closed.
  static let ofClosed: [Call] = [
    Call("openat", .badFileDescriptor) {
      SystemCalls.close(try SystemCalls.open("a", in: $0, flags: SystemCalls.readOnly))
    },
    Call("openat2", .badFileDescriptor) {
      _ = try SystemCalls.openName("a", in: $0, flags: SystemCalls.path)
    },
    Call("open_by_handle_at", .badFileDescriptor) {
      SystemCalls.close(try handle.open(on: $0, flags: SystemCalls.path))
    },
    Call("name_to_handle_at", .badFileDescriptor) { _ = try KernelFileHandle.make(of: $0) },
    Call("name_to_handle_at by name", .badFileDescriptor) {
      _ = try KernelFileHandle.make($0, "a")
    },
    Call("statx", .badFileDescriptor) { _ = try FullStatus(of: $0) },
    Call("statx by name", .badFileDescriptor) { _ = try FullStatus($0, "a") },
    Call("fstatfs", .badFileDescriptor) { _ = try FilesystemStatus(of: $0) },
    Call("getdents64", .badFileDescriptor) {
      var entries = DirectoryEntries(of: $0)
      _ = try entries.read()
    },
    Call("read", .badFileDescriptor) { _ = try SystemCalls.readAll($0) },
    Call("pread", .badFileDescriptor) {
      var buffer: [UInt8] = [0]
      _ = try SystemCalls.read($0, at: 0, into: &buffer)
    },
    Call("write", .badFileDescriptor) { try SystemCalls.writeAll($0, [1]) },
    Call("lseek SEEK_DATA", .badFileDescriptor) { _ = try SystemCalls.data(of: $0, from: 0) },
    Call("fsync", .badFileDescriptor) { try SystemCalls.sync($0) },
    Call("ftruncate", .badFileDescriptor) { try SystemCalls.truncate($0, to: 1) },
    Call("fallocate", .badFileDescriptor) { try SystemCalls.allocate($0, length: 1) },
    Call("flock", .badFileDescriptor) { try SystemCalls.lock($0, shared: false) },
    Call("flock, waiting", .badFileDescriptor) { try SystemCalls.waitForLock($0) },
    Call("fcntl F_DUPFD", .badFileDescriptor) { _ = try SystemCalls.duplicate($0) },
    Call("sendmsg", .badFileDescriptor) { try SystemCalls.send(1, 2, with: nil, to: $0) },
    Call("recvmsg", .badFileDescriptor) { _ = try SystemCalls.receive(from: $0) },
    Call("ioctl FS_IOC_GETFSUUID", .badFileDescriptor) { _ = try SystemCalls.uuid(of: $0) },
    Call("ioctl BTRFS_IOC_FS_INFO", .badFileDescriptor) { _ = try SystemCalls.btrfs($0) },
    Call("ioctl FS_IOC_SETFLAGS", .badFileDescriptor) { try SystemCalls.disableCopyOnWrite($0) },
    Call("ioctl FUSE_DEV_IOC_BACKING_OPEN", .badFileDescriptor) {
      _ = try SystemCalls.openBacking($0, on: $0)
    },
    Call("readlink of /proc/self/fd", .noSuchFileOrDirectory) {
      _ = try SystemCalls.path(of: $0)
    },
  ]

  @Test(arguments: ofClosed) func ofAClosedDescriptor(_ call: Call) {
    #expect(throws: call.errno) { try call.body(FileDescriptor(rawValue: -1)) }
  }

  /// Calls with a file in memory, which is no directory and no socket.
  static let ofFile: [Call] = [
    Call("openat", .notDirectory) {
      SystemCalls.close(try SystemCalls.open("a", in: $0, flags: SystemCalls.readOnly))
    },
    Call("openat of a missing path", .noSuchFileOrDirectory) { _ in
      SystemCalls.close(try SystemCalls.open(missing, flags: SystemCalls.readOnly))
    },
    Call("openat2", .notDirectory) {
      _ = try SystemCalls.openName("a", in: $0, flags: SystemCalls.path)
    },
    Call("statx by name", .notDirectory) { _ = try FullStatus($0, "a") },
    Call("getdents64", .notDirectory) {
      var entries = DirectoryEntries(of: $0)
      _ = try entries.read()
    },
    Call("pread before the start", .invalidArgument) {
      var buffer: [UInt8] = [0]
      _ = try SystemCalls.read($0, at: -1, into: &buffer)
    },
    Call("ftruncate to a negative length", .invalidArgument) {
      try SystemCalls.truncate($0, to: -1)
    },
    Call("fallocate of nothing", .invalidArgument) { try SystemCalls.allocate($0, length: 0) },
    Call("sendmsg", .notSocket) { try SystemCalls.send(1, 2, with: nil, to: $0) },
    Call("recvmsg", .notSocket) { _ = try SystemCalls.receive(from: $0) },
    Call("ioctl FUSE_DEV_IOC_BACKING_OPEN", .inappropriateIOCTLForDevice) {
      _ = try SystemCalls.openBacking($0, on: $0)
    },
    Call("mkdir", .fileExists) { _ in try SystemCalls.makeDirectory("/", mode: 0o700) },
    Call("rmdir", .noSuchFileOrDirectory) { _ in try SystemCalls.removeDirectory(missing) },
  ]

  @Test(arguments: ofFile) func ofAFile(_ call: Call) throws {
    let file = try MemoryFile()
    #expect(throws: call.errno) { try call.body(file.descriptor) }
  }

  /// A call that a signal interrupts is made again; another error is passed on.
  @Test func interruptedCallsAreMadeAgain() throws {
    var results = [-EINTR, -EINTR, 5]
    #expect(try retried { results.removeFirst() } == 5)
    results = [-EINTR, -EIO, 5]
    #expect(throws: Errno.ioError) { try retried { results.removeFirst() } }
    #expect(results == [5])
  }

  @Test func aLockThatIsHeldIsNotWaitedFor() throws {
    let directory = try TemporaryDirectory()
    let descriptors = try (0..<2).map { _ in
      OwnedDescriptor(try SystemCalls.open(directory.path, flags: SystemCalls.directory))
    }
    try SystemCalls.lock(descriptors[0].descriptor, shared: false)
    #expect(throws: Errno.resourceTemporarilyUnavailable) {
      try SystemCalls.lock(descriptors[1].descriptor, shared: true)
    }
    SystemCalls.unlock(descriptors[0].descriptor)
    try SystemCalls.lock(descriptors[1].descriptor, shared: true)
  }
}
