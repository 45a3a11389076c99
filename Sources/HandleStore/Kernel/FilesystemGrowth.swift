internal import SystemPackage

/// How far a filesystem has got, and how much of that stays if the power is cut now. A file that was made
/// later may be lost, and on these filesystems the next new file can get its handle.
struct FilesystemGrowth {
  /// What it has now.
  let now: UInt64
  /// What it will have at least, also if the power is cut now.
  let certain: UInt64
  /// Whether this is the number of a btrfs's newest transaction, which only ever grows: a filesystem with
  /// less than was certainly on its disk before was put back to an earlier state. Else it is the time in
  /// seconds since 1970.
  let isCounted: Bool

  /// - Returns: `nil` on filesystems that draw a random generation for each file.
  init?(of descriptor: FileDescriptor, _ magic: FilesystemMagic) {
    switch magic {
    case .btrfs:
      guard let generation = try? SystemCalls.btrfs(descriptor).generation, generation > 0 else {
        return nil
      }
      now = generation
      // A transaction is running, and the one before may not be on the disk yet.
      certain = generation > 2 ? generation - 2 : 0
      isCounted = true
    // A layer of an overlayfs may be on either.
    case .xfs, .overlay:
      now = UInt64(SystemCalls.epochSeconds)
      certain = now - min(now, 2 * Self.flushInterval)
      isCounted = false
    default: return nil
    }
  }

  /// When XFS has its log on the disk at the latest, in seconds; btrfs has the same interval.
  private static var flushInterval: UInt64 {
    let setting = Volume.attribute("/proc/sys/fs/xfs", "xfssyncd_centisecs").flatMap { UInt64($0) }
    return max(30, (setting ?? 0) / 100)
  }

  /// Where the making of a node's file, or the registration, is on this scale.
  static func position(of node: Node, _ magic: FilesystemMagic) -> UInt64? {
    guard magic == .btrfs else { return UInt64(node.since) }
    return node.handle.identity(on: magic).map { UInt64($0.generation) }
  }
}

/// What the superblock of an ext4 says, read from the device that it is on.
enum ExtSuperblock {
  /// 16 random bytes in hexadecimal; `nil` if the device cannot be read.
  static func hashSeed(of mount: Mount) -> String? {
    guard
      let device = Volume.attribute(FilePath("/sys/dev/block/\(mount.device)"), "uevent"),
      let name = Volume.field("DEVNAME", device),
      let file = try? OwnedDescriptor(
        SystemCalls.open(FilePath("/dev").appending(name), flags: SystemCalls.readOnly)),
      let status = try? FullStatus(of: file.descriptor), status.standsFor == mount.device
    else { return nil }
    var superblock = [UInt8](repeating: 0, count: 256)
    guard (try? SystemCalls.read(file.descriptor, at: 1024, into: &superblock)) == 256,
      superblock[0x38] == 0x53, superblock[0x39] == 0xEF
    else { return nil }
    return Hexadecimal.string(Array(superblock[0xEC..<0xFC]))
  }
}
