internal import Glibc
internal import HandleStore
internal import SystemPackage

/// Paths, and what they lead to.
extension Processes {
  /// Returns an absolute path in which only the last component may be a symbolic link. The last
  /// component need not exist, and the call does not touch it.
  static func absolute(_ path: String) throws -> String {
    let path = FilePath(path)
    guard let name = path.lastComponent, name.kind == .regular else {
      return try resolved(path).string
    }
    let parent = path.removingLastComponent()
    return try resolved(parent.isEmpty ? "." : parent).appending(name).string
  }

  /// Returns the absolute path to which a path leads, also if its last component is a symbolic link.
  /// The call does not ask what is mounted there.
  static func place(of path: String) throws -> String {
    var place = try absolute(path)
    for _ in 0..<40 {
      guard let target = link(place) else { break }
      place = try absolute(
        FilePath(place).removingLastComponent().pushing(FilePath(target)).string)
    }
    return place
  }

  /// Returns the contents of a symbolic link, or `nil` if there is none (`readlink(2)`).
  static func link(_ path: String) -> String? {
    var target = [UInt8](repeating: 0, count: 4096)
    let count = unsafe readlink(path, &target, target.count)
    return count < 0 ? nil : String(decoding: target.prefix(count), as: UTF8.self)
  }

  /// Returns an absolute path without symbolic links (`realpath(3)`). The file must exist.
  static func resolved(_ path: FilePath) throws -> FilePath {
    guard let real = unsafe path.withPlatformString({ unsafe realpath($0, nil) }) else {
      let error = Errno(rawValue: errno)
      if error == .socketNotConnected { throw CommandError.serverIsGone(path.string) }
      throw CommandError("\(path): \(error); name a directory that exists")
    }
    defer { unsafe free(real) }
    return unsafe FilePath(platformString: real)
  }

  /// Makes a directory that only its owner can use. A directory that already exists is no error.
  static func makeDirectory(_ path: String) throws(Errno) {
    guard unsafe mkdir(path, 0o700) != 0, errno != EEXIST else { return }
    throw Errno(rawValue: errno)
  }

  static func rename(_ old: String, to new: String) throws(Errno) {
    guard unsafe Glibc.rename(old, new) == 0 else { throw Errno(rawValue: errno) }
  }

  /// Returns the inode number of a directory, or 0 if there is none.
  static func inode(of path: String) -> UInt64 {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? UInt64(status.st_ino) : 0
  }

  /// `remove(3)`. Errors are ignored.
  static func remove(_ path: String) { _ = unsafe Glibc.remove(path) }
}
