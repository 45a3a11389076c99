internal import SystemPackage

/// How far a filesystem has grown, and how much of that survives if the power is cut now. A power
/// cut may lose files that were made later than that, and on these filesystems the next new file
/// may get a lost file's handle.
struct FilesystemGrowth {
  /// Its current value.
  let now: UInt64
  /// The least value that it will have after a power cut now.
  let certain: UInt64
  /// Whether the value is the number of a btrfs's newest transaction. That number only ever grows,
  /// so a filesystem whose number is below one that was certainly on its disk was put back to an
  /// earlier state. If `false`, the value is the time in seconds since 1970.
  let isCounted: Bool

  /// Reads the growth of the filesystem that a file is on.
  ///
  /// - Returns: `nil` for all other kinds of filesystem, most of which draw a random generation for
  ///   each file, and if a btrfs does not tell its newest transaction.
  init?(of descriptor: FileDescriptor, _ magic: FilesystemMagic) {
    switch magic {
    case .btrfs:
      guard let generation = try? SystemCalls.btrfs(descriptor).generation, generation > 0 else {
        return nil
      }
      now = generation
      // One transaction is running, and the one before it may not be on the disk yet.
      certain = generation > 2 ? generation - 2 : 0
      isCounted = true
    // A layer of an overlayfs may be on XFS or btrfs.
    case .xfs, .overlay:
      now = UInt64(SystemCalls.epochSeconds)
      certain = now - min(now, 2 * Self.flushInterval)
      isCounted = false
    default: return nil
    }
  }

  /// The longest time, in seconds, until XFS writes its log to the disk. Btrfs has the same default
  /// interval.
  private static var flushInterval: UInt64 {
    let setting = Volume.attribute("/proc/sys/fs/xfs", "xfssyncd_centisecs").flatMap { UInt64($0) }
    return max(30, (setting ?? 0) / 100)
  }

  /// Returns the position of a file on this scale: on btrfs the transaction that created it,
  /// elsewhere the time at which it was registered.
  static func position(
    of handle: KernelFileHandle, since: UInt32, _ magic: FilesystemMagic
  ) -> UInt64? {
    guard magic == .btrfs else { return UInt64(since) }
    return handle.fileKey(on: magic).map { UInt64($0.generation) }
  }
}

/// Reads the superblock of an ext4 from its block device.
enum ExtSuperblock {
  /// Returns the seed of the directory hashes, 16 random bytes in hexadecimal, or `nil` if the
  /// device cannot be read.
  static func hashSeed(of mount: MountEntry) -> String? {
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
