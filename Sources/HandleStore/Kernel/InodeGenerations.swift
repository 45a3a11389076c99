/// How a filesystem distinguishes the files that have one inode number after another.
public enum InodeGenerations: String, Sendable, CaseIterable {
  /// 32 random bits at each creation (`ext4_new_inode`, `shmem_get_inode`).
  case random
  /// 32 random bits when the inode is first used, and one more at each reuse (`xfs_ialloc`).
  case randomThenCounted
  /// A number of the filesystem's own that grows by one with each creation (`f2fs_new_inode`).
  case counter
  /// The number of the transaction that created the file; inode numbers do not come back
  /// (`btrfs_create_new_inode`).
  case transaction
  /// Those of the layer that the file is on.
  case layer
  /// What the server of the filesystem says.
  case server
  /// Not known to this library.
  case unknown
}

extension FilesystemMagic {
  /// How filesystems of this kind set apart the files of one inode number.
  public var generations: InodeGenerations {
    switch self {
    case .ext, .tmpfs: .random
    case .xfs: .randomThenCounted
    case .f2fs: .counter
    case .btrfs: .transaction
    case .overlay: .layer
    case .fuse: .server
    default: .unknown
    }
  }
}
