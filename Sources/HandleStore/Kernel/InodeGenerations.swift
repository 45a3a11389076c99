/// How a filesystem distinguishes successive users of an inode number.
public enum InodeGenerations: String, Sendable, CaseIterable {
  /// 32 random bits at each creation (`ext4_new_inode`, `shmem_get_inode`).
  case random
  /// 32 random bits when the inode is first used, then one more at each reuse (`xfs_ialloc`).
  case randomThenCounted
  /// A counter of the filesystem that grows by one with each creation (`f2fs_new_inode`).
  case counter
  /// The number of the transaction that created the file; inode numbers are not reused
  /// (`btrfs_create_new_inode`).
  case transaction
  /// The generations of the layer that the file is on.
  case layer
  /// Chosen by the filesystem's server.
  case server
  /// Not known to this library.
  case unknown
}

extension FilesystemMagic {
  /// How filesystems of this kind distinguish successive users of an inode number.
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
