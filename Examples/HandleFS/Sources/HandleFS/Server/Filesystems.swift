internal import Glibc
internal import HandleStore
internal import Synchronization
internal import SystemPackage

/// The file systems that are shown: that of the directory, and where mounts are crossed those that are
/// mounted inside it.
final class Filesystems: Sendable {
  /// That of the directory.
  let main: FilesystemID
  private let store: Store
  private let crossesMounts: Bool
  /// By device number. A file system that is attached keeps its own.
  private let known: Mutex<[UInt: FilesystemID]>

  init(_ source: Source, root: stat, crossesMounts: Bool) {
    (store, main) = (source.store, source.filesystem)
    self.crossesMounts = crossesMounts
    known = Mutex([root.st_dev: source.filesystem])
  }

  /// The one that a file is on.
  func filesystem(of file: BackingFile, _ status: stat) throws -> FilesystemID {
    guard crossesMounts else { return main }
    if let id = known.withLock({ $0[status.st_dev] }) { return id }
    let id = try store.attach(file.descriptor)
    known.withLock { $0[status.st_dev] = id }
    return id
  }

  /// Takes note of the file system of a file that a server before this one has come to.
  func learn(_ file: BackingFile) throws {
    guard crossesMounts else { return }
    // Where it is no directory and no regular file, it cannot be attached by this one.
    _ = try? filesystem(of: file, file.status)
  }

  /// A number that no file of another of the file systems has: all of them have one device number for
  /// those who use the mount.
  func inode(_ inode: UInt, device: UInt) -> UInt {
    guard crossesMounts, let id = known.withLock({ $0[device] }), id != main else { return inode }
    return inode ^ UInt(id.rawValue) << 48
  }

  /// A status as it is shown.
  func shown(_ status: stat) -> stat {
    var status = status
    status.st_ino = inode(status.st_ino, device: status.st_dev)
    return status
  }
}
