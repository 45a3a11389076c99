// The wall before the kernel: one function for each system call, each throwing its `Errno`. Unsafe
// code that talks to the kernel stands in this folder and nowhere else.

internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Errno {
  /// `ESTALE`.
  static var stale: Errno { Errno(rawValue: Glibc.ESTALE) }
}

/// Returns the result of a C shim, or throws the errno that the shim returned negated.
@discardableResult
func checked<T: SignedInteger>(_ result: T) throws(Errno) -> T {
  guard result >= 0 else { throw Errno(rawValue: CInt(-result)) }
  return result
}

/// An open file of the backing filesystem. It is closed with its last reference.
final class BackingFile: Sendable {
  let number: CInt

  /// Opens a path with `O_PATH`. If a FUSE filesystem is mounted there, its server is not asked.
  init(opening path: FilePath) throws(Errno) {
    number = try checked(
      unsafe path.withPlatformString { unsafe hf_open(AT_FDCWD, $0, HF_PATH, 0) })
  }

  init(_ descriptor: FileDescriptor) { number = descriptor.rawValue }
  init(_ number: CInt) { self.number = number }

  deinit { _ = hf_close(number) }

  var descriptor: FileDescriptor { FileDescriptor(rawValue: number) }

  // MARK: Opening

  /// Opens a name in this directory with `O_PATH`, without following a symbolic link.
  ///
  /// - Parameter crossesMounts: whether to open what is mounted on the name.
  /// - Throws: `EXDEV` if something is mounted on the name and `crossesMounts` is `false`, or if
  ///   the name is `..` and leads out of the mount.
  func path(of name: FilePath, crossesMounts: Bool = false) throws(Errno) -> BackingFile {
    BackingFile(
      try checked(
        unsafe name.withPlatformString { unsafe hf_find(number, $0, crossesMounts ? 1 : 0) }))
  }

  /// Opens a path, relative to the working directory, with `O_PATH`, without following a symbolic
  /// link at its end.
  static func path(_ path: FilePath) throws(Errno) -> BackingFile {
    BackingFile(
      try checked(
        unsafe path.withPlatformString { unsafe hf_open(AT_FDCWD, $0, HF_PATH | O_NOFOLLOW, 0) }))
  }

  /// `openat(2)`.
  func open(_ name: FilePath, flags: CInt, mode: mode_t = 0) throws(Errno) -> BackingFile {
    BackingFile(
      try checked(unsafe name.withPlatformString { unsafe hf_open(number, $0, flags, mode) }))
  }

  /// Opens the same file again with other flags.
  func reopened(flags: CInt) throws(Errno) -> BackingFile {
    BackingFile(try checked(hf_reopen(number, flags)))
  }

  // MARK: What the file is

  /// The number of the device that the file is on, `major:minor`. If the file is on a FUSE
  /// filesystem, this does not ask its server.
  var device: String {
    get throws(Errno) { try Self.device(of: descriptor) }
  }

  /// Sends `count` requests to the file's filesystem from each processor, if it is a FUSE filesystem that
  /// another process serves.
  func sendRequests(processors: UInt32, count: UInt32) {
    _ = hf_send_requests(number, processors, count)
  }

  static func device(of file: FileDescriptor) throws(Errno) -> String {
    var (major, minor): (UInt32, UInt32) = (0, 0)
    try checked(unsafe hf_device(file.rawValue, &major, &minor))
    return "\(major):\(minor)"
  }

  /// The number of the mount through which a file was reached; no other mount of this boot has it.
  static func mount(of file: FileDescriptor) throws(Errno) -> Int {
    try checked(hf_mount_number(file.rawValue))
  }

  var status: stat {
    get throws(Errno) {
      var status = stat()
      try checked(unsafe hf_status(number, &status))
      return status
    }
  }

  var filesystemStatus: statvfs {
    get throws(Errno) {
      var status = statvfs()
      try checked(unsafe hf_statvfs(number, &status))
      return status
    }
  }

  var linkTarget: [UInt8] {
    get throws(Errno) {
      var target = [CChar](repeating: 0, count: Int(PATH_MAX))
      let count = try checked(unsafe hf_read_link(number, &target, target.count))
      return target.prefix(count).map { UInt8(bitPattern: $0) }
    }
  }

  // MARK: Changing it

  func setOwner(_ uid: uid_t?, _ gid: gid_t?) throws(Errno) {
    try checked(hf_set_owner(number, uid ?? .max, gid ?? .max))
  }

  func setMode(_ mode: mode_t) throws(Errno) { try checked(hf_set_mode(number, mode)) }

  func setTimes(access: timespec, modification: timespec) throws(Errno) {
    let times = [access, modification]
    try checked(unsafe hf_set_times(number, times))
  }

  func truncate(to size: Int) throws(Errno) { try checked(hf_truncate(number, size)) }

  func allocate(mode: CInt, from offset: Int, length: Int) throws(Errno) {
    try checked(hf_allocate(number, mode, offset, length))
  }

  func seek(to offset: Int, whence: CInt) throws(Errno) -> Int {
    try checked(hf_seek(number, offset, whence))
  }

  func copy(
    from offset: Int, to file: BackingFile, at target: Int, count: Int
  ) throws(Errno) -> Int {
    try checked(hf_copy(number, offset, file.number, target, count))
  }

  func write(_ bytes: RequestBytes, at offset: Int) throws(Errno) -> Int {
    try checked(unsafe hf_write_at(number, bytes.start, bytes.count, offset))
  }

  func sync(dataOnly: Bool) throws(Errno) { try checked(hf_sync(number, dataOnly ? 1 : 0)) }
}

/// Bytes of a request. They are valid until the request is answered.
@safe struct RequestBytes {
  let start: UnsafeRawPointer?
  let count: Int

  init(_ start: UnsafeRawPointer?, _ count: Int) {
    unsafe self.start = start
    self.count = count
  }

  func dropFirst(_ n: Int) -> RequestBytes {
    unsafe RequestBytes(start.map { unsafe $0 + n }, count - n)
  }
}

/// A string kept byte for byte, such as the name of an extended attribute or the target of a
/// symbolic link: a `FilePath` would drop slashes.
struct RawString {
  let bytes: [CChar]

  init(_ string: UnsafePointer<CChar>) {
    unsafe bytes = Array(UnsafeBufferPointer(start: string, count: strlen(string) + 1))
  }
}

extension RawString {
  /// The string as a path, possibly with fewer slashes.
  var path: FilePath { FilePath(platformString: bytes) }
}

/// The names in this directory.
extension BackingFile {
  func makeDirectory(_ name: FilePath, mode: mode_t) throws(Errno) {
    try checked(unsafe name.withPlatformString { unsafe hf_make_directory(number, $0, mode) })
  }

  func makeNode(_ name: FilePath, mode: mode_t, device: dev_t) throws(Errno) {
    try checked(unsafe name.withPlatformString { unsafe hf_make_node(number, $0, mode, device) })
  }

  func makeSymbolicLink(_ name: FilePath, to target: RawString) throws(Errno) {
    try checked(
      unsafe name.withPlatformString { unsafe hf_make_symlink(target.bytes, number, $0) })
  }

  func link(_ file: BackingFile, as name: FilePath) throws(Errno) {
    try checked(unsafe name.withPlatformString { unsafe hf_link(file.number, number, $0) })
  }

  func remove(_ name: FilePath, isDirectory: Bool) throws(Errno) {
    try checked(
      unsafe name.withPlatformString { unsafe hf_unlink(number, $0, isDirectory ? 1 : 0) })
  }

  func rename(
    _ name: FilePath, to directory: BackingFile, _ newName: FilePath, flags: UInt32
  ) throws(Errno) {
    try checked(
      unsafe name.withPlatformString { name in
        unsafe newName.withPlatformString {
          unsafe hf_rename(number, name, directory.number, $0, flags)
        }
      })
  }
}

/// Extended attributes.
extension BackingFile {
  /// Returns an attribute's value and its size; only the size if `limit` is 0.
  ///
  /// - Throws: `ERANGE` if the value is longer than `limit`.
  func attribute(_ name: RawString, limit: Int) throws(Errno) -> (bytes: [UInt8], size: Int) {
    var bytes = [UInt8](repeating: 0, count: limit)
    let size = try checked(
      unsafe hf_get_attribute(number, name.bytes, &bytes, limit))
    return (Array(bytes.prefix(size)), size)
  }

  func hasAttribute(_ name: RawString) throws(Errno) -> Bool {
    do throws(Errno) {
      _ = try attribute(name, limit: 0)
      return true
    } catch {
      if error == .noData { return false }
      throw error
    }
  }

  /// Returns the names of the attributes, each with a zero byte after it, and their size; only the
  /// size if `limit` is 0.
  func attributes(limit: Int) throws(Errno) -> (bytes: [UInt8], size: Int) {
    var bytes = [CChar](repeating: 0, count: limit)
    let size = try checked(unsafe hf_list_attributes(number, &bytes, limit))
    return (bytes.prefix(size).map { UInt8(bitPattern: $0) }, size)
  }

  func setAttribute(
    _ name: RawString, _ value: RequestBytes, flags: CInt
  ) throws(Errno) {
    try checked(
      unsafe hf_set_attribute(number, name.bytes, value.start, value.count, flags))
  }

  func removeAttribute(_ name: RawString) throws(Errno) {
    try checked(unsafe hf_remove_attribute(number, name.bytes))
  }
}
