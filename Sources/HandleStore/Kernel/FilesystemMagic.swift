/// The kind of a filesystem: the number that `statfs(2)` gives in `f_type`.
public struct FilesystemMagic: RawRepresentable, Hashable, Sendable {
  /// The number, from `<linux/magic.h>`.
  public let rawValue: UInt32

  /// Creates the kind that has a number.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// ext2, ext3 and ext4.
  public static let ext = FilesystemMagic(rawValue: 0xEF53)
  /// F2FS.
  public static let f2fs = FilesystemMagic(rawValue: 0xF2F5_2010)
  /// tmpfs.
  public static let tmpfs = FilesystemMagic(rawValue: 0x0102_1994)
  /// XFS.
  public static let xfs = FilesystemMagic(rawValue: 0x5846_5342)
  /// Btrfs.
  public static let btrfs = FilesystemMagic(rawValue: 0x9123_683E)
  /// Overlayfs.
  public static let overlay = FilesystemMagic(rawValue: 0x794C_7630)
  /// FUSE, whatever its server.
  public static let fuse = FilesystemMagic(rawValue: 0x6573_5546)
}

extension FilesystemMagic {
  /// The names that the mount table uses for this kind, or `nil` if they are not known.
  var types: Set<String>? {
    switch self {
    case .ext: ["ext4", "ext3", "ext2"]
    case .f2fs: ["f2fs"]
    case .tmpfs: ["tmpfs", "devtmpfs"]
    case .xfs: ["xfs"]
    case .btrfs: ["btrfs"]
    case .overlay: ["overlay"]
    default: nil
    }
  }
}

extension FilesystemMagic: CustomStringConvertible {
  /// The filesystem's usual name, or its number in hexadecimal.
  public var description: String {
    switch self {
    case .ext: "ext4"
    case .f2fs: "f2fs"
    case .tmpfs: "tmpfs"
    case .xfs: "xfs"
    case .btrfs: "btrfs"
    case .overlay: "overlay"
    case .fuse: "fuse"
    default: "0x" + String(rawValue, radix: 16)
    }
  }
}
