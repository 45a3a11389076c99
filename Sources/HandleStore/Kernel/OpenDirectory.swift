internal import Glibc
internal import SystemPackage

/// A directory that is held open. Its files are reached through its descriptor, so a later change of its
/// path cannot lead to another directory. No name in it is followed if it is a symbolic link.
final class OpenDirectory: Sendable {
  /// The path by which it was opened; for messages only.
  let path: FilePath
  let owned: OwnedDescriptor

  var descriptor: FileDescriptor { owned.descriptor }

  /// `open(2)` with `O_DIRECTORY`.
  init(_ path: FilePath) throws(Errno) {
    self.path = path
    owned = OwnedDescriptor(try SystemCalls.open(path, flags: SystemCalls.directory))
  }

  private init(_ name: FilePath.Component, in parent: OpenDirectory) throws(Errno) {
    path = parent.path(of: name)
    owned = try parent.open(name, flags: SystemCalls.directory)
  }

  /// A path that leads to this directory, for a library that takes nothing else; good while it is open.
  var pathThroughProc: FilePath { FilePath("/proc/self/fd/\(descriptor.rawValue)") }

  /// The path of a name in it; for messages only.
  func path(of name: FilePath.Component) -> FilePath { path.appending(name) }

  /// `openat(2)` with `O_NOFOLLOW`.
  func open(
    _ name: FilePath.Component, flags: CInt, mode: UInt32 = 0
  ) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(
      try SystemCalls.open(
        FilePath(root: nil, [name]), in: descriptor, flags: flags | SystemCalls.ofName, mode: mode))
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
    try done(unsafe name.withPlatformString { unsafe mkdirat(descriptor.rawValue, $0, 0o700) })
    return try directory(name)
  }

  /// `unlinkat(2)`.
  func unlink(_ name: FilePath.Component) throws(Errno) {
    try done(unsafe name.withPlatformString { unsafe unlinkat(descriptor.rawValue, $0, 0) })
  }

  /// `unlinkat(2)` with `AT_REMOVEDIR`.
  func removeDirectory(_ name: FilePath.Component) throws(Errno) {
    try done(
      unsafe name.withPlatformString {
        unsafe unlinkat(descriptor.rawValue, $0, AT_REMOVEDIR)
      })
  }

  /// `renameat(2)`: a name of this directory becomes one of `directory`, in place of what has it.
  func rename(
    _ name: FilePath.Component, to new: FilePath.Component, in directory: OpenDirectory? = nil
  ) throws(Errno) {
    let target = (directory ?? self).descriptor.rawValue
    try done(
      unsafe name.withPlatformString { name in
        unsafe new.withPlatformString { new in
          unsafe renameat(descriptor.rawValue, name, target, new)
        }
      })
  }

  /// `linkat(2)`: gives a file of this directory a name in `directory`.
  func link(
    _ name: FilePath.Component, to new: FilePath.Component, in directory: OpenDirectory? = nil
  ) throws(Errno) {
    let target = (directory ?? self).descriptor.rawValue
    try done(
      unsafe name.withPlatformString { name in
        unsafe new.withPlatformString { new in
          unsafe linkat(descriptor.rawValue, name, target, new, 0)
        }
      })
  }

  /// `fsync(2)`: the names in it are on the disk.
  func sync() throws(Errno) { try SystemCalls.sync(descriptor) }

  /// `fsync(2)` of the directory that this one is in: its own name is on the disk.
  func syncParent() throws(Errno) {
    let parent = OwnedDescriptor(
      try SystemCalls.open("..", in: descriptor, flags: SystemCalls.directory))
    try SystemCalls.sync(parent.descriptor)
  }

  /// The result of a C library call: 0, or -1 with `errno` set.
  private func done(_ result: CInt) throws(Errno) {
    guard result == 0 else { throw Errno(rawValue: errno) }
  }
}
