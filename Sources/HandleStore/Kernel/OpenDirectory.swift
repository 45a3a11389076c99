internal import Glibc
internal import HandleLocks
internal import SystemPackage

/// A directory that is held open. Its files are reached through its descriptor, so later changes of
/// its path cannot redirect a call to another directory. A symbolic link in it is never followed.
final class OpenDirectory: Sendable {
  /// The path by which the directory was opened, or to which it led then if it goes through
  /// `/proc/self/fd`; for messages only.
  let path: FilePath
  private let owned: Locked<OwnedDescriptor?>

  /// The descriptor; valid until ``close()``, then -1.
  var descriptor: FileDescriptor {
    owned.withLock { $0?.descriptor } ?? FileDescriptor(rawValue: -1)
  }

  /// Opens a directory (`open(2)` with `O_DIRECTORY`).
  init(_ path: FilePath) throws(Errno) {
    let directory = OwnedDescriptor(try SystemCalls.open(path, flags: SystemCalls.directory))
    let shown =
      path.starts(with: "/proc/self/fd") ? try? SystemCalls.path(of: directory.descriptor) : nil
    self.path = shown ?? path
    owned = Locked(directory)
  }

  private init(_ name: FilePath.Component, in parent: OpenDirectory) throws(Errno) {
    path = parent.path(of: name)
    owned = Locked(try parent.open(name, flags: SystemCalls.directory))
  }

  /// Closes the directory once no running call uses it any more. Later calls throw `EBADF`.
  func close() { owned.withLock { $0 = nil } }

  /// Returns the descriptor, which stays open as long as the caller keeps the result.
  func held() throws(Errno) -> OwnedDescriptor {
    guard let held = owned.withLock({ $0 }) else { throw .badFileDescriptor }
    return held
  }

  /// A path that leads to this directory while it is open, for a library that takes only paths.
  var pathThroughProc: FilePath { FilePath("/proc/self/fd/\(descriptor.rawValue)") }

  /// Returns the path of a name in this directory; for messages only.
  func path(of name: FilePath.Component) -> FilePath { path.appending(name) }

  /// Opens a name in this directory (`openat(2)` with `O_NOFOLLOW`).
  func open(
    _ name: FilePath.Component, flags: CInt, mode: UInt32 = 0
  ) throws(Errno) -> OwnedDescriptor {
    let held = try held()
    return OwnedDescriptor(
      try SystemCalls.open(
        FilePath(root: nil, [name]), in: held.descriptor, flags: flags | SystemCalls.ofName,
        mode: mode))
  }

  /// Returns whether this directory has an entry of this name.
  func has(_ name: FilePath.Component) -> Bool {
    (try? open(name, flags: SystemCalls.path)) != nil
  }

  /// Opens a subdirectory.
  func directory(_ name: FilePath.Component) throws(Errno) -> OpenDirectory {
    try OpenDirectory(name, in: self)
  }

  /// Makes a subdirectory (`mkdirat(2)`) and opens it.
  func makeDirectory(_ name: FilePath.Component) throws(Errno) -> OpenDirectory {
    try unsafe call(name) { unsafe mkdirat($0, $1, 0o700) }
    return try directory(name)
  }

  /// Removes a file's name (`unlinkat(2)`).
  func unlink(_ name: FilePath.Component) throws(Errno) {
    try unsafe call(name) { unsafe unlinkat($0, $1, 0) }
  }

  /// Removes an empty subdirectory (`unlinkat(2)` with `AT_REMOVEDIR`).
  func removeDirectory(_ name: FilePath.Component) throws(Errno) {
    try unsafe call(name) { unsafe unlinkat($0, $1, AT_REMOVEDIR) }
  }

  /// Renames an entry of this directory to a name in `directory`, replacing any entry of that name
  /// (`renameat(2)`). `nil` means this directory.
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

  /// Gives a file of this directory another name in `directory` (`linkat(2)`). `nil` means this
  /// directory.
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

  /// Makes the names in this directory durable (`fsync(2)`).
  func sync() throws(Errno) {
    let held = try held()
    try SystemCalls.sync(held.descriptor)
  }

  /// Makes this directory's own name durable: calls `fsync(2)` on its parent.
  func syncParent() throws(Errno) {
    let held = try held()
    let parent = OwnedDescriptor(
      try SystemCalls.open("..", in: held.descriptor, flags: SystemCalls.directory))
    try SystemCalls.sync(parent.descriptor)
  }

  /// Calls a C library function with this directory and a name; it returns 0, or -1 with `errno`
  /// set.
  private func call(
    _ name: FilePath.Component, _ body: (CInt, UnsafePointer<CChar>) -> CInt
  ) throws(Errno) {
    let held = try held()
    let result = unsafe name.withPlatformString { unsafe body(held.descriptor.rawValue, $0) }
    guard result == 0 else { throw Errno(rawValue: errno) }
  }
}
