/// The layout of a file handle's bytes, as a number of the kernel's (`enum fid_type` in
/// `<linux/exportfs.h>`).
///
/// The number alone does not determine the layout: tmpfs and ext4 both use 1, for 12 and for 8
/// bytes.
public struct HandleType: RawRepresentable, Hashable, Sendable {
  /// The number; 0…0xffff once the flag bits are cleared.
  public let rawValue: Int32

  /// Creates the type that has a number.
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// 32-bit inode number and generation (ext2/3/4, f2fs); tmpfs has a 12-byte form of its own.
  public static let inode32 = HandleType(rawValue: 0x01)
  /// ``inode32``, and the parent's inode number and generation.
  public static let inode32Parent = HandleType(rawValue: 0x02)
  /// 64-bit inode number and generation (XFS, FUSE).
  public static let inode64 = HandleType(rawValue: 0x81)
  /// ``inode64``, and the parent's inode number and generation.
  public static let inode64Parent = HandleType(rawValue: 0x82)
  /// Btrfs: object id, subvolume id, generation.
  public static let btrfs = HandleType(rawValue: 0x4d)
  /// ``btrfs`` and the parent's object id and generation.
  public static let btrfsParent = HandleType(rawValue: 0x4e)
  /// ``btrfsParent`` for a parent in another subvolume, with that subvolume's id.
  public static let btrfsParentRoot = HandleType(rawValue: 0x4f)
  /// Overlayfs since Linux 5.8: the handle that the file has in a layer, with the layer's UUID.
  public static let overlay = HandleType(rawValue: 0xf8)
  /// Overlayfs before Linux 5.8.
  public static let overlayUnaligned = HandleType(rawValue: 0xfb)

  /// The inode number and the device number of a file on a filesystem that makes no handles. Not a
  /// type of the kernel, whose types have eight bits.
  public static let inodeAndDevice = HandleType(rawValue: 0x1000)

  /// The flags that `name_to_handle_at(2)` adds to a type (`FILEID_IS_CONNECTABLE`,
  /// `FILEID_IS_DIR`). They are not part of the layout and never accepted from a client.
  static let flagMask: Int32 = ~0xffff

  /// This type without its flag bits.
  var withoutFlags: HandleType { HandleType(rawValue: rawValue & ~Self.flagMask) }
}

extension HandleType: CustomStringConvertible {
  /// The kernel's name for the type in lower case, or `type-0x…` for a type that is not listed
  /// here.
  public var description: String {
    switch self {
    case .inode32: "ino32-gen"
    case .inode32Parent: "ino32-gen-parent"
    case .inode64: "ino64-gen"
    case .inode64Parent: "ino64-gen-parent"
    case .btrfs: "btrfs"
    case .btrfsParent: "btrfs-parent"
    case .btrfsParentRoot: "btrfs-parent-root"
    case .overlay: "overlay"
    case .overlayUnaligned: "overlay-v0"
    case .inodeAndDevice: "inode-device"
    default: "type-0x" + String(UInt32(bitPattern: rawValue), radix: 16)
    }
  }
}
