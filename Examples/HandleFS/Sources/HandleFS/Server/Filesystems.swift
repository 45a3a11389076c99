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
  /// By device number, those of others.
  private let known = Mutex<[UInt: Place]>([:])
  /// `nil` where only one file system is shown, and it has one number for each file.
  private let numbers: InodeNumbers?
  /// Whether other entries than directories may be elsewhere.
  private let looksAtAll: Bool

  private struct Place {
    let filesystem: FilesystemID
    /// A subvolume that is deleted leaves its device number to whatever is mounted next.
    let subvolume: UInt64
  }

  init(_ source: Source, root: BackingFile, crossesMounts: Bool) throws {
    (store, main) = (source.store, source.filesystem)
    self.crossesMounts = crossesMounts
    let status = try root.status
    device = status.st_dev
    let kind = store.knownFilesystems().first { $0.id == source.filesystem }?.magic.description
    looksAtAll = crossesMounts || kind == "overlay"
    numbers =
      looksAtAll || kind == "btrfs"
      ? try InodeNumbers(in: store, root: source.export.root, FileStatus(status)) : nil
  }

  /// The one that a file is on.
  func filesystem(of file: BackingFile, _ status: stat) throws -> FilesystemID {
    if status.st_dev == device { return main }
    let subvolume = try Self.subvolume(of: file)
    if let place = known.withLock({ $0[status.st_dev] }), place.subvolume == subvolume {
      return place.filesystem
    }
    let id = crossesMounts ? try store.attach(file.descriptor) : main
    known.withLock { $0[status.st_dev] = Place(filesystem: id, subvolume: subvolume) }
    return id
  }

  /// The number of a subvolume of btrfs, which has a device number and inode numbers of its own; 0 of
  /// another file system.
  private static func subvolume(of file: BackingFile) throws -> UInt64 {
    let handle = try KernelFileHandle(of: file.descriptor)
    guard (0x4d...0x4f).contains(handle.type.rawValue), handle.length >= 16 else { return 0 }
    return (0..<8).reduce(0) { $0 | UInt64(handle[8 + $1]) << UInt64($1 * 8) }
  }

  /// Takes note of the file system of a file that a server before this one has come to.
  func learn(_ file: BackingFile) throws {
    // Where it is no directory and no regular file, it cannot be attached by this one.
    _ = try? filesystem(of: file, file.status)
  }

  // MARK: Inode numbers

  /// The status of a node's file, as it is shown.
  func shown(_ status: stat, _ node: NodeID) throws -> stat {
    guard let numbers else { return status }
    var status = status
    status.st_ino = UInt(try numbers.number(of: node, FileStatus(status)))
    return status
  }

  /// Whether an entry may lead to another file than its directory says: what is mounted there, a
  /// subvolume, or a file of another layer of an overlayfs.
  func mayBeElsewhere(_ entry: DirectoryEntry) -> Bool {
    guard numbers != nil else { return false }
    return looksAtAll || entry.type == 0 || entry.type == UInt8(S_IFDIR >> 12)
  }

  /// The number of an entry that is on its directory's file system, as it is shown; `nil` where only the
  /// file's node tells.
  func shown(_ inode: UInt64, in directory: NodeID, _ status: stat) throws -> UInt64? {
    guard let numbers else { return inode }
    return try numbers.number(inode, in: directory, FileStatus(status))
  }
}
