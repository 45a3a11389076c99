// The wall to the kernel: one function for each system call, which throws the call's `Errno`.
// Unsafe code that talks to the kernel is in this folder and nowhere else.
//
// A signal ends none of these calls. Calls that may wait, for a lock, another process or a
// filesystem with a server, are repeated after EINTR (`retried`). The others do not return EINTR.

internal import CHandleSys
internal import Glibc
internal import SystemPackage

extension Errno {
  /// `ESTALE`.
  static var staleHandle: Errno { Errno(rawValue: Glibc.ESTALE) }

  /// Whether the disk is full, or the user's quota.
  var isDiskFull: Bool { self == .noSpace || self == .diskQuotaExceeded }
}

/// Returns the result of a shim, which is 0 or more, or throws the negated errno that it returned.
@discardableResult
func checked<T: SignedInteger>(_ result: T) throws(Errno) -> T {
  guard result >= 0 else { throw Errno(rawValue: CInt(-result)) }
  return result
}

/// Calls a shim, again each time a signal interrupts it, and checks its result.
@discardableResult
func retried<T: SignedInteger>(_ call: () -> T) throws(Errno) -> T {
  while true {
    let result = call()
    if result != -T(Glibc.EINTR) { return try checked(result) }
  }
}

/// The system calls that belong to no type of this module.
package enum SystemCalls {
  /// Returns a filesystem's UUID (`FS_IOC_GETFSUUID`, or the older call of ext4 or XFS): 16 bytes,
  /// zero-padded.
  static func uuid(of descriptor: FileDescriptor) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 16)
    try checked(unsafe hsys_filesystem_uuid(descriptor.rawValue, &bytes))
    return bytes
  }

  /// Returns the UUID of a btrfs, the number of its devices, and the number of its newest
  /// transaction, which need not be on the disk yet (`BTRFS_IOC_FS_INFO`).
  static func btrfs(
    _ descriptor: FileDescriptor
  ) throws(Errno) -> (uuid: [UInt8], devices: UInt64, generation: UInt64) {
    var bytes = [UInt8](repeating: 0, count: 16)
    var (devices, generation): (UInt64, UInt64) = (0, 0)
    try checked(unsafe hsys_btrfs_info(descriptor.rawValue, &bytes, &devices, &generation))
    return (bytes, devices, generation)
  }

  /// Opens a path (`openat(2)` with `O_CLOEXEC`); it starts in the working directory (`AT_FDCWD`)
  /// if `directory` is `nil`.
  static func open(
    _ path: FilePath, in directory: FileDescriptor? = nil, flags: CInt, mode: UInt32 = 0
  ) throws(Errno) -> FileDescriptor {
    let at = directory?.rawValue ?? AT_FDCWD
    let fd = try retried {
      unsafe path.withPlatformString { unsafe hsys_open(at, $0, flags, mode) }
    }
    return FileDescriptor(rawValue: fd)
  }

  /// Opens a path with `O_PATH`, using only the kernel's cache; a symbolic link at the end is
  /// opened itself (`openat2(2)`, `RESOLVE_CACHED`). Throws `EAGAIN` if a filesystem would have to
  /// be asked.
  static func openCached(_ path: FilePath) throws(Errno) -> FileDescriptor {
    FileDescriptor(
      rawValue: try checked(unsafe path.withPlatformString { unsafe hsys_open_cached($0) }))
  }

  /// Returns the device number of the filesystem that a file is on, as `major:minor`, without
  /// asking that filesystem (`AT_STATX_DONT_SYNC`).
  static func device(of descriptor: FileDescriptor) throws(Errno) -> String {
    var (major, minor): (UInt32, UInt32) = (0, 0)
    try checked(unsafe hsys_device_of(descriptor.rawValue, &major, &minor))
    return "\(major):\(minor)"
  }

  /// Closes a descriptor (`close(2)`). Errors are ignored: no caller could act on them.
  static func close(_ descriptor: FileDescriptor) { _ = hsys_close(descriptor.rawValue) }

  /// Returns the kernel's path of an open file, with ` (deleted)` appended if that name was removed
  /// (`/proc/self/fd`).
  static func path(of descriptor: FileDescriptor) throws(Errno) -> FilePath {
    FilePath(bytes: try pathBytes(of: descriptor))
  }

  /// Returns the bytes of ``path(of:)``.
  static func pathBytes(of descriptor: FileDescriptor) throws(Errno) -> [UInt8] {
    var buffer = [CChar](repeating: 0, count: 4097)
    let count = try retried { unsafe hsys_path_of(descriptor.rawValue, &buffer, buffer.count) }
    return buffer.prefix(count).map { UInt8(bitPattern: $0) }
  }

  /// Gives `length` bytes of a file their blocks, so that no later write into them fails for lack
  /// of space; makes the file longer if it ends before (`fallocate(2)`).
  ///
  /// After EINTR it continues in halves: tmpfs undoes an interrupted call completely, so a timer
  /// that fires faster than the call completes would block it for ever.
  static func allocate(
    _ descriptor: FileDescriptor, from offset: Int = 0, length: Int, unshare: Bool = false
  ) throws(Errno) {
    do throws(Errno) {
      try checked(
        hsys_allocate(descriptor.rawValue, Int64(offset), Int64(length), unshare ? 1 : 0))
    } catch {
      guard error == .interrupted else { throw error }
      let half = length > leastAllocation ? length / 2 : 0
      if half > 0 { try allocate(descriptor, from: offset, length: half, unshare: unshare) }
      try allocate(descriptor, from: offset + half, length: length - half, unshare: unshare)
    }
  }

  private static let leastAllocation = 64 << 10

  /// Gives the blocks of a part of a file back, which then reads as zeros (`FALLOC_FL_PUNCH_HOLE`).
  static func punch(_ descriptor: FileDescriptor, from offset: Int, length: Int) throws(Errno) {
    try retried { hsys_punch(descriptor.rawValue, Int64(offset), Int64(length)) }
  }

  /// Locks an open file description, which may be a directory's (`flock(2)`). Closing it releases
  /// the lock. Throws `EAGAIN` if another description holds a conflicting lock.
  static func lock(_ descriptor: FileDescriptor, shared: Bool) throws(Errno) {
    try retried { hsys_lock(descriptor.rawValue, shared ? 1 : 0) }
  }

  /// Returns the unique id of a file's mount, which is never reused (`STATX_MNT_ID_UNIQUE`), or 0
  /// if the kernel does not report one.
  static func uniqueMount(of descriptor: FileDescriptor) -> UInt64 {
    hsys_unique_mount(descriptor.rawValue)
  }

  /// Releases a lock, for all descriptors of the open file description.
  static func unlock(_ descriptor: FileDescriptor) { _ = hsys_unlock(descriptor.rawValue) }

  /// Returns whether a process with this id exists (`kill(2)` with signal 0).
  static func isRunning(_ process: Int32) -> Bool {
    process > 0 && (Glibc.kill(process, 0) == 0 || errno != ESRCH)
  }

  /// Turns off copy-on-write for an empty file, as `chattr +C` does.
  static func disableCopyOnWrite(_ descriptor: FileDescriptor) throws(Errno) {
    try checked(hsys_disable_copy_on_write(descriptor.rawValue))
  }

  static func makeDirectory(_ path: FilePath, mode: UInt32) throws(Errno) {
    try done(unsafe path.withPlatformString { unsafe Glibc.mkdir($0, mode) })
  }

  static func removeDirectory(_ path: FilePath) throws(Errno) {
    try done(unsafe path.withPlatformString { unsafe Glibc.rmdir($0) })
  }

  /// Checks the result of a C library call: 0, or -1 with `errno` set.
  private static func done(_ result: CInt) throws(Errno) {
    guard result == 0 else { throw Errno(rawValue: errno) }
  }

  static func sync(_ descriptor: FileDescriptor) throws(Errno) {
    try retried { Glibc.fsync(descriptor.rawValue) < 0 ? -errno : 0 }
  }

  static func truncate(_ descriptor: FileDescriptor, to length: Int) throws(Errno) {
    try retried { Glibc.ftruncate(descriptor.rawValue, length) < 0 ? -errno : 0 }
  }

  /// Returns a file's length in bytes, or 0 if it cannot be read.
  static func size(of descriptor: FileDescriptor) -> Int {
    (try? FullStatus(of: descriptor)).map { Int($0.file.size) } ?? 0
  }

  /// Returns how many bytes of a file's filesystem are free for everybody, and how many it has
  /// (`fstatvfs(3)`).
  static func space(of descriptor: FileDescriptor) -> (free: Int, total: Int)? {
    var status = statvfs()
    guard unsafe fstatvfs(descriptor.rawValue, &status) == 0 else { return nil }
    let unit = Int(clamping: status.f_frsize)
    return (Int(clamping: status.f_bavail) * unit, Int(clamping: status.f_blocks) * unit)
  }

  /// Returns whether this process can map `length` more bytes (`RLIMIT_AS`).
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

  // An expected file may be a fifo or a terminal; opening it must not block.
  static var readOnly: CInt { O_RDONLY | O_NONBLOCK | O_NOCTTY }
  static var path: CInt { HS_O_PATH }
  /// `O_NOFOLLOW`: does not follow a symbolic link.
  static var ofName: CInt { O_NOFOLLOW }
  /// `O_PATH | O_NOFOLLOW`: opens a symbolic link itself.
  static var pathOfName: CInt { HS_O_PATH | O_NOFOLLOW }
  static var directory: CInt { O_RDONLY | O_DIRECTORY }
  static var readWrite: CInt { O_RDWR | O_NONBLOCK | O_NOCTTY }
  static var create: CInt { readWrite | O_CREAT }
  static var createEmpty: CInt { create | O_TRUNC }

  // MARK: The process

  static var processID: Int32 { Glibc.getpid() }

  /// A number that changes in the child of each `fork(2)`.
  static var forkCount: UInt32 { hsys_fork_count() }

  /// The time of `CLOCK_MONOTONIC`, in nanoseconds.
  static var now: UInt64 { hsys_now() }

  /// The time of `CLOCK_BOOTTIME`, in nanoseconds: it also counts while the machine is suspended.
  package static var sinceBoot: UInt64 { hsys_since_boot() }

  /// The time of `CLOCK_REALTIME`, in whole seconds since 1970; valid until 2106.
  package static var epochSeconds: UInt32 { hsys_epoch_seconds() }

  /// Lets another thread run.
  static func yield() { sched_yield() }

  /// Lets time pass: `usleep(3)`, which a signal may end early.
  package static func sleep(microseconds: UInt32) { usleep(microseconds) }

  /// A small number that differs between threads that run at the same time.
  static var threadNumber: Int { Int(hsys_thread_number()) }
}
