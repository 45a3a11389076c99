internal import SystemPackage

/// A number that a filesystem only ever raises. A filesystem that has less of it than was certainly on
/// its disk before was put back to an earlier state.
struct FilesystemGrowth {
  /// What it has now.
  let now: UInt64
  /// What it will have at least, also if the power is cut now.
  let certain: UInt64

  /// - Returns: `nil` on filesystems that do not tell.
  init?(of descriptor: FileDescriptor, _ magic: FilesystemMagic, superblock: String) {
    switch magic {
    case .btrfs:
      // A transaction is running, and the one before may not be on the disk yet.
      guard let generation = try? SystemCalls.btrfs(descriptor).generation else { return nil }
      now = generation
      certain = generation > 2 ? generation - 2 : 0
    case .ext:
      // Kilobytes written in its life, and since it was mounted. In this order: the difference is then
      // rather too low.
      guard let total = Self.written("lifetime_write_kbytes", superblock),
        let session = Self.written("session_write_kbytes", superblock)
      else { return nil }
      now = total
      certain = total > session ? total - session : 0
    default: return nil
    }
  }

  private static func written(_ name: String, _ superblock: String) -> UInt64? {
    let link = FilePath("/sys/dev/block/\(superblock)")
    guard let device = (try? SystemCalls.target(of: link))?.lastComponent else { return nil }
    return Volume.attribute(FilePath("/sys/fs/ext4").appending(device), name).flatMap { UInt64($0) }
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
