internal import Glibc
internal import HandleStore
internal import HandleLocks
internal import SystemPackage

/// The filesystems that the mount shows: the source directory's own, with its subvolumes, and, if
/// mounts are crossed, those mounted inside it.
final class Filesystems: Sendable {
  /// The source directory's filesystem.
  let main: FilesystemID
  private let store: Store
  private let kept: KeptFiles?
  private let crossesMounts: Bool
  private let device: UInt
  /// The other filesystems and subvolumes, by device number.
  private let known = Locked<[UInt: SubvolumeMount]>([:])
  /// Makes the inode numbers that are shown; `nil` if only one filesystem is shown and it has one
  /// number for each file.
  private let numbers: InodeNumbers?
  /// Whether any entry may lead elsewhere, not only a directory.
  private let looksUpAllEntries: Bool

  private struct SubvolumeMount {
    let filesystem: FilesystemID
    /// The subvolume's number. When a subvolume is deleted, its device number may go to the next
    /// mount.
    let subvolume: UInt64
  }

  init(_ source: Source, root: BackingFile, crossesMounts: Bool) throws {
    (store, kept, main) = (source.store, source.kept, source.filesystem)
    self.crossesMounts = crossesMounts
    let status = try root.status
    device = status.st_dev
    let magic = store.knownFilesystems().first { $0.id == source.filesystem }?.identity.magic
    looksUpAllEntries = crossesMounts || magic == .overlay
    numbers =
      looksUpAllEntries || magic == .btrfs
      ? try InodeNumbers(in: store, root: source.root, status: FileStatus(status)) : nil
  }

  /// Returns the filesystem that a file is on.
  func filesystem(of file: BackingFile, _ status: stat) throws -> FilesystemID {
    if status.st_dev == device { return main }
    let subvolume = try Self.subvolume(of: file)
    if let place = known.withLock({ $0[status.st_dev] }), place.subvolume == subvolume {
      return place.filesystem
    }
    let id = crossesMounts ? try attach(file) : main
    known.withLock { $0[status.st_dev] = SubvolumeMount(filesystem: id, subvolume: subvolume) }
    return id
  }

  private func attach(_ file: BackingFile) throws -> FilesystemID {
    if let kept { return try kept.attach(file.descriptor) }
    return try store.attach(file.descriptor)
  }

  /// Returns the number of the btrfs subvolume that a file is in, or 0 on another filesystem. Each
  /// subvolume has its own device number and inode numbers.
  private static func subvolume(of file: BackingFile) throws -> UInt64 {
    try KernelFileHandle(identifying: file.descriptor).fileKey(on: .btrfs)?.subvolume ?? 0
  }

  /// Attaches the filesystem of a file that an earlier server found.
  func learn(_ file: BackingFile, _ status: stat) {
    // This may fail for a file that is neither a directory nor a regular file: such a file cannot
    // attach its filesystem.
    _ = try? filesystem(of: file, status)
  }

  // MARK: Inode numbers

  /// Returns the status of a node's file with the inode number that is shown.
  func shown(_ status: stat, _ node: NodeID) throws -> stat {
    guard let numbers else { return status }
    var status = status
    status.st_ino = UInt(try numbers.number(of: node, status: FileStatus(status)))
    return status
  }

  /// Whether an entry may lead to another file than its inode number in the directory says: to a
  /// mount, a subvolume, or a file on another layer of an overlayfs.
  func mayBeElsewhere(_ entry: DirectoryEntry) -> Bool {
    guard numbers != nil else { return false }
    return looksUpAllEntries || entry.type == 0 || entry.type == UInt8(S_IFDIR >> 12)
  }

  /// Returns the inode number to show for an entry that is on its directory's filesystem, or `nil`
  /// if the number depends on the file's node.
  func shown(_ inode: UInt64, in directory: NodeID, _ status: stat) throws -> UInt64? {
    guard let numbers else { return inode }
    return try numbers.number(inode, in: directory, status: FileStatus(status))
  }
}
