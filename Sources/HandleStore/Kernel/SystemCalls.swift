// The wall before the kernel: one function a system call, each throwing the call's `Errno`.
// Unsafe code that talks to the kernel stands in this folder and nowhere else. No call retries
// EINTR by itself, for none of them blocks on a local filesystem.

internal import CHandleSys
internal import Glibc
public import SystemPackage

extension Errno {
  /// `ESTALE`.
  static var staleHandle: Errno { Errno(rawValue: Glibc.ESTALE) }
}

/// The result of a shim: a value of 0 or more, or the negated errno.
@discardableResult
func checked<T: SignedInteger>(_ result: T) throws(Errno) -> T {
  guard result >= 0 else { throw Errno(rawValue: CInt(-result)) }
  return result
}

extension KernelFileHandle {
  /// `name_to_handle_at(2)` on an open file of any kind, `O_PATH` too.
  ///
  /// - Throws: `EOPNOTSUPP` where the filesystem has no handles, `EOVERFLOW` where the handle would
  ///   be larger than 128 bytes, `EBADF`.
  /// - Complexity: one system call, about a microsecond. Any thread.
  public init(of descriptor: FileDescriptor) throws(Errno) {
    self = try Self.make(descriptor, "").handle
  }

  /// `name_to_handle_at(2)` on a name in a directory. A last symbolic link is not followed.
  ///
  /// - Parameters:
  ///   - name: one component or a relative path.
  ///   - directory: an open directory, `O_PATH` too.
  ///   - connectable: ask for a handle that names the parent too (`AT_HANDLE_CONNECTABLE`, Linux 6.13;
  ///     ext4, XFS and btrfs). The kernel makes one by a name only, not of a descriptor.
  /// - Throws: what ``init(of:)`` throws, and `ENOENT`, `ENOTDIR`, `EACCES`.
  public init(
    name: FilePath, in directory: FileDescriptor, connectable: Bool = false
  ) throws(Errno) {
    guard !name.isEmpty else { throw .noSuchFileOrDirectory }
    self = try Self.make(directory, name, connectable: connectable).handle
  }

  /// The handle and the id of the mount through which the file was reached; an empty name means
  /// the descriptor itself.
  static func make(
    _ directory: FileDescriptor, _ name: FilePath, connectable: Bool = false
  ) throws(Errno) -> (handle: KernelFileHandle, mount: CInt) {
    var raw = hs_handle()
    var mount: CInt = 0
    try checked(
      unsafe name.withPlatformString {
        unsafe hs_handle_of(directory.rawValue, $0, connectable ? 1 : 0, 0, &raw, &mount)
      })
    var words = InlineArray<16, UInt64>(repeating: 0)
    unsafe withUnsafeBytes(of: raw.words) { source in
      for i in 0..<16 {
        unsafe words[i] = source.loadUnaligned(fromByteOffset: i * 8, as: UInt64.self)
      }
    }
    let type = HandleType(rawValue: raw.type)
    // BTRFS_EMPTY_SUBVOL_DIR_OBJECTID: what stands in a snapshot for a nested subvolume has the same
    // handle as all others of its kind.
    if type.withoutFlags == .btrfs && words[0] == 2 { throw .notSupported }
    return (KernelFileHandle(type: type, length: Int(raw.length), words: words), mount)
  }

  /// `open_by_handle_at(2)`: the file that this handle names, whatever its path. Needs
  /// `CAP_DAC_READ_SEARCH`.
  func open(on mount: FileDescriptor, flags: CInt) throws(Errno) -> FileDescriptor {
    var copy = words
    let fd = unsafe withUnsafeBytes(of: &copy) { bytes in
      unsafe hs_open_handle(
        mount.rawValue, type.rawValue, UInt32(length),
        bytes.assumingMemoryBound(to: UInt64.self).baseAddress, flags)
    }
    return FileDescriptor(rawValue: try checked(fd))
  }
}

extension FileStatus {
  /// `statx(2)` on an open file of any kind, `O_PATH` too.
  public init(of descriptor: FileDescriptor) throws(Errno) {
    self.init(try FullStatus(descriptor, ""))
  }

  /// `statx(2)` on a name in a directory. A last symbolic link is not followed.
  public init(name: FilePath, in directory: FileDescriptor) throws(Errno) {
    guard !name.isEmpty else { throw .noSuchFileOrDirectory }
    self.init(try FullStatus(directory, name))
  }

  init(_ full: FullStatus) {
    self.init(
      inode: full.raw.inode, mode: full.raw.mode, links: full.raw.links, size: full.raw.size,
      device: full.raw.device)
  }
}

/// A status with what only this module needs.
struct FullStatus {
  fileprivate let raw: hs_status

  init(_ directory: FileDescriptor, _ name: FilePath, follow: Bool = false) throws(Errno) {
    var raw = hs_status()
    try checked(
      unsafe name.withPlatformString {
        unsafe hs_status_of(directory.rawValue, $0, follow ? 1 : 0, &raw)
      })
    self.raw = raw
  }

  var device: UInt64 { raw.device }
  var inode: UInt64 { raw.inode }
  var mode: UInt32 { raw.mode }
  /// The id of the mount through which the file was reached, as in `/proc/self/mountinfo`.
  var mount: Int { Int(truncatingIfNeeded: raw.mount_id) }
  /// What a device node stands for, as `major:minor`.
  var standsFor: String { "\(raw.raw_device_major):\(raw.raw_device_minor)" }
  /// When the inode came into being, as `seconds.nanoseconds`; `0.0` where that is not kept.
  var birth: String { "\(raw.birth_seconds).\(raw.birth_nanoseconds)" }
}

/// What `fstatfs(2)` says.
struct FilesystemStatus {
  var magic: FilesystemMagic
  var fsid: UInt64
  /// Bytes that this caller can still use.
  var free: UInt64

  init(of descriptor: FileDescriptor) throws(Errno) {
    var magic: UInt64 = 0
    (fsid, free) = (0, 0)
    try checked(unsafe hs_filesystem_of(descriptor.rawValue, &magic, &fsid, &free))
    self.magic = FilesystemMagic(rawValue: UInt32(magic))
  }
}

/// The calls that belong to no type of this module.
enum SystemCalls {
  /// `FS_IOC_GETFSUUID`, 16 bytes, zero-padded.
  static func uuid(of descriptor: FileDescriptor) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 16)
    try checked(unsafe hs_filesystem_uuid(descriptor.rawValue, &bytes))
    return bytes
  }

  /// `BTRFS_IOC_FS_INFO`.
  static func btrfs(_ descriptor: FileDescriptor) throws(Errno) -> (uuid: [UInt8], devices: UInt64)
  {
    var bytes = [UInt8](repeating: 0, count: 16)
    var devices: UInt64 = 0
    try checked(unsafe hs_btrfs_info(descriptor.rawValue, &bytes, &devices))
    return (bytes, devices)
  }

  /// `openat(2)` with `O_CLOEXEC`; `directory` is `AT_FDCWD` where none is given.
  static func open(
    _ path: FilePath, in directory: FileDescriptor? = nil, flags: CInt, mode: UInt32 = 0
  ) throws(Errno) -> FileDescriptor {
    let at = directory?.rawValue ?? AT_FDCWD
    let fd = unsafe path.withPlatformString { unsafe hs_open(at, $0, flags, mode) }
    return FileDescriptor(rawValue: try checked(fd))
  }

  /// `close(2)`; there is nothing to do about its errors.
  static func close(_ descriptor: FileDescriptor) { _ = hs_close(descriptor.rawValue) }

  /// The path under which the kernel knows an open file, with ` (deleted)` behind it where it has
  /// none any more (`/proc/self/fd`).
  static func path(of descriptor: FileDescriptor) throws(Errno) -> FilePath {
    var buffer = [CChar](repeating: 0, count: 4097)
    try checked(unsafe hs_path_of(descriptor.rawValue, &buffer, buffer.count))
    return FilePath(platformString: buffer)
  }

  /// `fallocate(2)`: blocks for the first `length` bytes, so that no later write into them can
  /// fail for want of space.
  static func allocate(_ descriptor: FileDescriptor, length: Int, unshare: Bool) throws(Errno) {
    try checked(hs_allocate(descriptor.rawValue, Int64(length), unshare ? 1 : 0))
  }

  /// A lock on an open file description, let go when it is closed (`F_OFD_SETLK`); `EAGAIN` where
  /// another one is in its way.
  static func lock(_ descriptor: FileDescriptor, shared: Bool) throws(Errno) {
    try checked(hs_lock(descriptor.rawValue, shared ? 1 : 0))
  }

  /// `STATX_MNT_ID_UNIQUE`.
  static func uniqueMount(of descriptor: FileDescriptor) -> UInt64 {
    hs_unique_mount(descriptor.rawValue)
  }

  /// Lets go of a lock, for all descriptors of the description.
  static func unlock(_ descriptor: FileDescriptor) { _ = hs_unlock(descriptor.rawValue) }

  /// Whether there is a process of an id (`kill(2)` with no signal).
  static func isRunning(_ process: Int32) -> Bool {
    process > 0 && (Glibc.kill(process, 0) == 0 || errno != ESRCH)
  }

  /// `chattr +C` on an empty file of a copy-on-write filesystem.
  static func disableCopyOnWrite(_ descriptor: FileDescriptor) throws(Errno) {
    try checked(hs_disable_copy_on_write(descriptor.rawValue))
  }

  static func rename(_ old: FilePath, to new: FilePath) throws(Errno) {
    try done(unsafe two(old, new) { unsafe Glibc.rename($0, $1) })
  }

  static func link(_ old: FilePath, to new: FilePath) throws(Errno) {
    try done(unsafe two(old, new) { unsafe Glibc.link($0, $1) })
  }

  static func makeDirectory(_ path: FilePath, mode: UInt32) throws(Errno) {
    try done(unsafe path.withPlatformString { unsafe Glibc.mkdir($0, mode) })
  }

  static func unlink(_ path: FilePath) throws(Errno) {
    try done(unsafe path.withPlatformString { unsafe Glibc.unlink($0) })
  }

  private static func two(
    _ a: FilePath, _ b: FilePath, _ call: (UnsafePointer<CChar>, UnsafePointer<CChar>) -> CInt
  ) -> CInt {
    unsafe a.withPlatformString { a in
      unsafe b.withPlatformString { b in unsafe call(a, b) }
    }
  }

  /// The result of a C library call: 0, or -1 with `errno` set.
  private static func done(_ result: CInt) throws(Errno) {
    guard result == 0 else { throw Errno(rawValue: errno) }
  }

  static func sync(_ descriptor: FileDescriptor) throws(Errno) {
    try done(Glibc.fsync(descriptor.rawValue))
  }

  static func truncate(_ descriptor: FileDescriptor, to length: Int) throws(Errno) {
    try done(Glibc.ftruncate(descriptor.rawValue, length))
  }

  /// A file's length in bytes; 0 where it cannot be told.
  static func size(of descriptor: FileDescriptor) -> Int {
    (try? FileStatus(of: descriptor)).map { Int($0.size) } ?? 0
  }

  /// Whether this process can map so many more bytes (`RLIMIT_AS`).
  static func hasAddresses(_ length: Int) -> Bool {
    let probe = unsafe mmap(
      nil, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let probe = unsafe probe, unsafe probe != UnsafeMutableRawPointer(bitPattern: -1) else {
      return false
    }
    unsafe munmap(probe, length)
    return true
  }

  // MARK: Flags of open(2)

  static var readOnly: CInt { O_RDONLY }
  static var path: CInt { HS_O_PATH }
  static var directory: CInt { O_RDONLY | O_DIRECTORY }
  static var readWrite: CInt { O_RDWR }
  static var create: CInt { O_RDWR | O_CREAT }
  static var createEmpty: CInt { O_RDWR | O_CREAT | O_TRUNC }

  // MARK: Reading and writing

  /// Everything from the descriptor's place to the end.
  static func readAll(_ descriptor: FileDescriptor) throws(Errno) -> [UInt8] {
    var contents: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let n = unsafe Glibc.read(descriptor.rawValue, &chunk, chunk.count)
      guard n >= 0 else { throw Errno(rawValue: errno) }
      if n == 0 { return contents }
      contents += chunk[..<n]
    }
  }

  /// `pread(2)` until `buffer` is full or the file ends; returns how much was read.
  static func read(
    _ descriptor: FileDescriptor, at offset: Int, into buffer: inout [UInt8]
  ) throws(Errno) -> Int {
    var filled = 0
    while filled < buffer.count {
      let n = unsafe buffer.withUnsafeMutableBytes {
        unsafe Glibc.pread(
          descriptor.rawValue, $0.baseAddress?.advanced(by: filled), $0.count - filled,
          offset + filled)
      }
      guard n >= 0 else { throw Errno(rawValue: errno) }
      if n == 0 { break }
      filled += n
    }
    return filled
  }

  static func writeAll(_ descriptor: FileDescriptor, _ bytes: [UInt8]) throws(Errno) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let n = unsafe rest.withUnsafeBytes {
        unsafe Glibc.write(descriptor.rawValue, $0.baseAddress, $0.count)
      }
      guard n >= 0 else { throw Errno(rawValue: errno) }
      rest = rest.dropFirst(n)
    }
  }

  static var processID: Int32 { Glibc.getpid() }

  /// Changes in the child of each `fork(2)`.
  static var forkCount: UInt32 { hs_fork_count() }

  /// `CLOCK_MONOTONIC`, nanoseconds.
  static var now: UInt64 { hs_now() }

  /// `CLOCK_REALTIME`, whole seconds since 1970, good until 2106.
  static var epochSeconds: UInt32 { hs_epoch_seconds() }

  /// Lets another thread run.
  static func yield() { sched_yield() }

  /// Differs between threads that run at the same time; small.
  static var threadNumber: Int { Int(hs_thread_number()) }
}

/// A descriptor that is closed with the last reference to it.
final class OwnedDescriptor: Sendable {
  let descriptor: FileDescriptor

  init(_ descriptor: FileDescriptor) { self.descriptor = descriptor }

  deinit { SystemCalls.close(descriptor) }
}

/// An event that one thread waits for and another sets, once.
@safe final class Event: @unchecked Sendable {
  private let raw: OpaquePointer

  init() {
    guard let raw = unsafe hs_event_create() else { fatalError("no memory for an event") }
    unsafe self.raw = raw
  }

  func set() { unsafe hs_event_set(raw) }
  func wait() { unsafe hs_event_wait(raw) }

  deinit { unsafe hs_event_destroy(raw) }
}
