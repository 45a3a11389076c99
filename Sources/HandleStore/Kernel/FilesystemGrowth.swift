internal import SystemPackage

/// The number of a btrfs's newest transaction, which only ever grows. A filesystem that has less than was
/// certainly on its disk before was put back to an earlier state. Other filesystems draw random
/// generations and do not need it, XFS with an exception (Docs/Filesystems.md).
struct FilesystemGrowth {
  /// What it has now.
  let now: UInt64
  /// What it will have at least, also if the power is cut now.
  let certain: UInt64

  /// - Returns: `nil` on filesystems that do not tell.
  init?(of descriptor: FileDescriptor, _ magic: FilesystemMagic) {
    guard magic == .btrfs, let generation = try? SystemCalls.btrfs(descriptor).generation,
      generation > 0
    else { return nil }
    now = generation
    // A transaction is running, and the one before may not be on the disk yet.
    certain = generation > 2 ? generation - 2 : 0
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
