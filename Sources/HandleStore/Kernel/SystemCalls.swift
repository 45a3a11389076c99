// The wall before the kernel: one function a system call, each throwing the call's `Errno`.
// Unsafe code that talks to the kernel stands in this folder and nowhere else.
//
// A signal ends none of these calls: those that may wait, for a lock, for another process or for a
// filesystem with a server, are made again after EINTR (`retried`). The others give no EINTR.

internal import CHandleSys
internal import Glibc
internal import SystemPackage

extension Errno {
  /// `ESTALE`.
  static var staleHandle: Errno { Errno(rawValue: Glibc.ESTALE) }

  /// Whether there is no space, on the disk or for this user.
  var isDiskFull: Bool { self == .noSpace || self == .diskQuotaExceeded }
}

/// The result of a shim: a value of 0 or more, or the negated errno.
@discardableResult
func checked<T: SignedInteger>(_ result: T) throws(Errno) -> T {
  guard result >= 0 else { throw Errno(rawValue: CInt(-result)) }
  return result
}

/// The result of a shim, made again as long as a signal interrupts it.
@discardableResult
func retried<T: SignedInteger>(_ call: () -> T) throws(Errno) -> T {
  while true {
    let result = call()
    if result != -T(Glibc.EINTR) { return try checked(result) }
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

  /// `BTRFS_IOC_FS_INFO`: the UUID, the number of devices, and the number of the newest transaction, which
  /// need not be on the disk yet.
  static func btrfs(
    _ descriptor: FileDescriptor
  ) throws(Errno) -> (uuid: [UInt8], devices: UInt64, generation: UInt64) {
    var bytes = [UInt8](repeating: 0, count: 16)
    var (devices, generation): (UInt64, UInt64) = (0, 0)
    try checked(unsafe hs_btrfs_info(descriptor.rawValue, &bytes, &devices, &generation))
    return (bytes, devices, generation)
  }

  /// `openat(2)` with `O_CLOEXEC`; `directory` is `AT_FDCWD` where none is given.
  static func open(
    _ path: FilePath, in directory: FileDescriptor? = nil, flags: CInt, mode: UInt32 = 0
  ) throws(Errno) -> FileDescriptor {
    let at = directory?.rawValue ?? AT_FDCWD
    let fd = try retried {
      unsafe path.withPlatformString { unsafe hs_open(at, $0, flags, mode) }
    }
    return FileDescriptor(rawValue: fd)
  }

  /// `openat2(2)` of a path as one, a last symbolic link itself, by what is in the kernel's cache
  /// (`RESOLVE_CACHED`); `EAGAIN` where a filesystem would have to be asked.
  static func openCached(_ path: FilePath) throws(Errno) -> FileDescriptor {
    FileDescriptor(
      rawValue: try checked(unsafe path.withPlatformString { unsafe hs_open_cached($0) }))
  }

  /// The device that a file is on, as `major:minor`; its filesystem is not asked (`AT_STATX_DONT_SYNC`).
  static func device(of descriptor: FileDescriptor) throws(Errno) -> String {
    var (major, minor): (UInt32, UInt32) = (0, 0)
    try checked(unsafe hs_device_of(descriptor.rawValue, &major, &minor))
    return "\(major):\(minor)"
  }

  /// `close(2)`; there is nothing to do about its errors.
  static func close(_ descriptor: FileDescriptor) { _ = hs_close(descriptor.rawValue) }

  /// The path under which the kernel knows an open file, with ` (deleted)` behind it where it has
  /// none any more (`/proc/self/fd`).
  static func path(of descriptor: FileDescriptor) throws(Errno) -> FilePath {
    FilePath(platformString: try told(of: descriptor).bytes)
  }

  /// The bytes of ``path(of:)``.
  static func pathBytes(of descriptor: FileDescriptor) throws(Errno) -> [UInt8] {
    let (bytes, count) = try told(of: descriptor)
    return bytes.prefix(count).map { UInt8(bitPattern: $0) }
  }

  private static func told(
    of descriptor: FileDescriptor
  ) throws(Errno) -> (bytes: [CChar], count: Int) {
    var buffer = [CChar](repeating: 0, count: 4097)
    let count = try retried { unsafe hs_path_of(descriptor.rawValue, &buffer, buffer.count) }
    return (buffer, count)
  }

  /// `fallocate(2)`: blocks for `length` bytes, so that no later write into them can fail for want
  /// of space. A file that ends before is made longer.
  ///
  /// After EINTR it goes on in halves: tmpfs undoes all of an interrupted call, and a timer that is
  /// faster than that would hold it up for ever.
  static func allocate(
    _ descriptor: FileDescriptor, from offset: Int = 0, length: Int, unshare: Bool = false
  ) throws(Errno) {
    do throws(Errno) {
      try checked(
        hs_allocate(descriptor.rawValue, Int64(offset), Int64(length), unshare ? 1 : 0))
    } catch {
      guard error == .interrupted else { throw error }
      let half = length > leastAllocation ? length / 2 : 0
      if half > 0 { try allocate(descriptor, from: offset, length: half, unshare: unshare) }
      try allocate(descriptor, from: offset + half, length: length - half, unshare: unshare)
    }
  }

  private static let leastAllocation = 64 << 10

  /// A lock on an open file description, which may be a directory's (`flock(2)`); released when it is
  /// closed. `EAGAIN` if another description's lock is in the way.
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

  static func makeDirectory(_ path: FilePath, mode: UInt32) throws(Errno) {
    try done(unsafe path.withPlatformString { unsafe Glibc.mkdir($0, mode) })
  }

  static func removeDirectory(_ path: FilePath) throws(Errno) {
    try done(unsafe path.withPlatformString { unsafe Glibc.rmdir($0) })
  }

  /// The result of a C library call: 0, or -1 with `errno` set.
  private static func done(_ result: CInt) throws(Errno) {
    guard result == 0 else { throw Errno(rawValue: errno) }
  }

  static func sync(_ descriptor: FileDescriptor) throws(Errno) {
    try retried { Glibc.fsync(descriptor.rawValue) < 0 ? -errno : 0 }
  }

  static func truncate(_ descriptor: FileDescriptor, to length: Int) throws(Errno) {
    try retried { Glibc.ftruncate(descriptor.rawValue, length) < 0 ? -errno : 0 }
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

  // What is expected to be a file may be a fifo or a terminal, which must not hold anybody up.
  static var readOnly: CInt { O_RDONLY | O_NONBLOCK | O_NOCTTY }
  static var path: CInt { HS_O_PATH }
  static var directory: CInt { O_RDONLY | O_DIRECTORY }
  static var readWrite: CInt { O_RDWR | O_NONBLOCK | O_NOCTTY }
  static var create: CInt { readWrite | O_CREAT }
  static var createEmpty: CInt { create | O_TRUNC }

  // MARK: The process

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
