internal import Glibc
internal import Synchronization
internal import SystemPackage

/// A directory that is held open. Its files are reached through its descriptor, so a later change of its
/// path cannot lead to another directory. No name in it is followed if it is a symbolic link.
final class OpenDirectory: Sendable {
  /// The path by which it was opened; for messages only.
  let path: FilePath
  private let owned: Mutex<OwnedDescriptor?>

  /// The descriptor, for calls that are made before ``close()``.
  var descriptor: FileDescriptor {
    owned.withLock { $0?.descriptor } ?? FileDescriptor(rawValue: -1)
  }

  /// `open(2)` with `O_DIRECTORY`.
  init(_ path: FilePath) throws(Errno) {
    self.path = path
    owned = Mutex(OwnedDescriptor(try SystemCalls.open(path, flags: SystemCalls.directory)))
  }

  private init(_ name: FilePath.Component, in parent: OpenDirectory) throws(Errno) {
    path = parent.path(of: name)
    owned = Mutex(try parent.open(name, flags: SystemCalls.directory))
  }

  /// Closes the directory once no call uses it any more; what comes later is `EBADF`.
  func close() { owned.withLock { $0 = nil } }

  /// The descriptor, open for as long as this is held.
  func held() throws(Errno) -> OwnedDescriptor {
    guard let held = owned.withLock({ $0 }) else { throw .badFileDescriptor }
    return held
  }

  /// A path that leads to this directory, for a library that takes nothing else; good while it is open.
  var pathThroughProc: FilePath { FilePath("/proc/self/fd/\(descriptor.rawValue)") }

  /// The path of a name in it; for messages only.
  func path(of name: FilePath.Component) -> FilePath { path.appending(name) }

  /// `openat(2)` with `O_NOFOLLOW`.
  func open(
    _ name: FilePath.Component, flags: CInt, mode: UInt32 = 0
  ) throws(Errno) -> OwnedDescriptor {
    let held = try held()
    return OwnedDescriptor(
      try SystemCalls.open(
        FilePath(root: nil, [name]), in: held.descriptor, flags: flags | SystemCalls.ofName,
        mode: mode))
  }

  /// Whether there is something of this name.
  func has(_ name: FilePath.Component) -> Bool {
    (try? open(name, flags: SystemCalls.path)) != nil
  }

  /// Opens a directory in it.
  func directory(_ name: FilePath.Component) throws(Errno) -> OpenDirectory {
    try OpenDirectory(name, in: self)
  }

  /// `mkdirat(2)`, and opens what was made.
  func makeDirectory(_ name: FilePath.Component) throws(Errno) -> OpenDirectory {
    try unsafe call(name) { unsafe mkdirat($0, $1, 0o700) }
    return try directory(name)
  }

  /// `unlinkat(2)`.
  func unlink(_ name: FilePath.Component) throws(Errno) {
    try unsafe call(name) { unsafe unlinkat($0, $1, 0) }
  }

  /// `unlinkat(2)` with `AT_REMOVEDIR`.
  func removeDirectory(_ name: FilePath.Component) throws(Errno) {
    try unsafe call(name) { unsafe unlinkat($0, $1, AT_REMOVEDIR) }
  }

  /// `renameat(2)`: a name of this directory becomes one of `directory`, in place of what has it.
  func rename(
    _ name: FilePath.Component, to new: FilePath.Component, in directory: OpenDirectory? = nil
  ) throws(Errno) {
    let target = try (directory ?? self).held()
    try unsafe call(name) { from, name in
      unsafe new.withPlatformString {
        unsafe renameat(from, name, target.descriptor.rawValue, $0)
      }
    }
  }

  /// `linkat(2)`: gives a file of this directory a name in `directory`.
  func link(
    _ name: FilePath.Component, to new: FilePath.Component, in directory: OpenDirectory? = nil
  ) throws(Errno) {
    let target = try (directory ?? self).held()
    try unsafe call(name) { from, name in
      unsafe new.withPlatformString {
        unsafe linkat(from, name, target.descriptor.rawValue, $0, 0)
      }
    }
  }

  /// `fsync(2)`: the names in it are on the disk.
  func sync() throws(Errno) {
    let held = try held()
    try SystemCalls.sync(held.descriptor)
  }

  /// `fsync(2)` of the directory that this one is in: its own name is on the disk.
  func syncParent() throws(Errno) {
    let held = try held()
    let parent = OwnedDescriptor(
      try SystemCalls.open("..", in: held.descriptor, flags: SystemCalls.directory))
    try SystemCalls.sync(parent.descriptor)
  }

  /// A call of the C library with this directory and a name: 0, or -1 with `errno` set.
  private func call(
    _ name: FilePath.Component, _ body: (CInt, UnsafePointer<CChar>) -> CInt
  ) throws(Errno) {
    let held = try held()
    let result = unsafe name.withPlatformString { unsafe body(held.descriptor.rawValue, $0) }
    guard result == 0 else { throw Errno(rawValue: errno) }
  }
}
