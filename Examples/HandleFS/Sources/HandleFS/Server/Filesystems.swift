internal import Glibc
internal import HandleStore
internal import Synchronization
internal import SystemPackage

/// The file systems that are shown: that of the directory, with its subvolumes, and where mounts are
/// crossed those that are mounted inside it.
final class Filesystems: Sendable {
  /// That of the directory.
  let main: FilesystemID
  private let store: Store
  private let crossesMounts: Bool
  private let device: UInt
  /// By device number, those of others. What is known keeps its own.
  private let known = Mutex<[UInt: Place]>([:])

  private struct Place {
    let filesystem: FilesystemID
    /// What its inode numbers differ by from those of the directory's file system: all have one device
    /// number for those who use the mount.
    let mark: UInt
  }

  init(_ source: Source, root: stat, crossesMounts: Bool) {
    (store, main) = (source.store, source.filesystem)
    self.crossesMounts = crossesMounts
    device = root.st_dev
  }

  /// The one that a file is on.
  func filesystem(of file: BackingFile, _ status: stat) throws -> FilesystemID {
    if status.st_dev == device { return main }
    if let place = known.withLock({ $0[status.st_dev] }) { return place.filesystem }
    let id = crossesMounts ? try store.attach(file.descriptor) : main
    let mark = UInt(id == main ? 0 : id.rawValue) << 48 ^ (try Self.subvolume(of: file)) << 40
    known.withLock { $0[status.st_dev] = Place(filesystem: id, mark: mark) }
    return id
  }

  /// The number of a subvolume of btrfs, which has a device number and inode numbers of its own; 0 of
  /// another file system.
  private static func subvolume(of file: BackingFile) throws -> UInt {
    let handle = try KernelFileHandle(of: file.descriptor)
    guard (0x4d...0x4f).contains(handle.type.rawValue), handle.length >= 16 else { return 0 }
    return (0..<8).reduce(0) { $0 | UInt(handle[8 + $1]) << UInt($1 * 8) }
  }

  /// Takes note of the file system of a file that a server before this one has come to.
  func learn(_ file: BackingFile) throws {
    // Where it is no directory and no regular file, it cannot be attached by this one.
    _ = try? filesystem(of: file, file.status)
  }

  /// An inode number as it is shown.
  func inode(_ inode: UInt, device: UInt) -> UInt {
    if device == self.device { return inode }
    return inode ^ (known.withLock { $0[device]?.mark } ?? 0)
  }

  /// A status as it is shown.
  func shown(_ status: stat) -> stat {
    var status = status
    status.st_ino = inode(status.st_ino, device: status.st_dev)
    return status
  }
}
