internal import SystemPackage

/// What distinguishes a filesystem from all others, also after a remount and a reboot.
///
/// Its UUID does (or if it has none, the id of `statfs(2)`), but a copied image or an LVM snapshot has
/// the same, and so has an image that is made anew with a fixed UUID. So more is kept: the handle and
/// birth of the root directory, on ext4 the random seed of its directory hashes, and the volume: what the
/// system calls the device that the filesystem is on (of one without a UUID and a device, what it was
/// mounted from). Each may be unknown, and then says nothing.
struct FilesystemIdentity: Equatable {
  var magic: FilesystemMagic
  /// 16 bytes of a UUID, or 8 of an fsid.
  var uuid: [UInt8]
  var root: KernelFileHandle?
  var volume: String
  /// When the root directory was made, as `seconds.nanoseconds`.
  var birth = ""
  /// The hash seed in ext4's superblock, which mke2fs chooses anew each time.
  var seed = ""

  var isUUID: Bool { uuid.count == 16 }

  /// Whether both may be the same filesystem: nothing that is known of both differs.
  func matches(_ other: FilesystemIdentity) -> Bool {
    guard magic == other.magic && uuid == other.uuid else { return false }
    if let root, let otherRoot = other.root, root != otherRoot { return false }
    return [\.volume, \.birth, \.seed].allSatisfy { (known: KeyPath<Self, String>) in
      self[keyPath: known].isEmpty || other[keyPath: known].isEmpty
        || self[keyPath: known] == other[keyPath: known]
    }
  }
}

extension FilesystemIdentity {
  /// The filesystem that a file is on, and the device number of its superblock.
  static func of(
    _ descriptor: FileDescriptor
  ) throws(Errno) -> (identity: FilesystemIdentity, superblock: String) {
    let table = try MountTable()
    var (identity, mount) = try ofVolume(descriptor, table)
    if let root = root(mount, table) { (identity.root, identity.birth) = root }
    if identity.magic == .ext { identity.seed = ExtSuperblock.hashSeed(of: mount) ?? "" }
    return (identity, mount.device)
  }

  /// The same without its root directory, whose handle is unknown then.
  static func ofVolume(_ descriptor: FileDescriptor) throws(Errno) -> FilesystemIdentity {
    try ofVolume(descriptor, MountTable()).identity
  }

  private static func ofVolume(
    _ descriptor: FileDescriptor, _ table: MountTable
  ) throws(Errno) -> (identity: FilesystemIdentity, mount: Mount) {
    let status = try FilesystemStatus(of: descriptor)
    let mountID = try KernelFileHandle.make(descriptor, "").mount
    guard let mount = table[Int(mountID)] else { throw .noSuchFileOrDirectory }
    let named = name(descriptor, status)
    let device = Volume.name(of: mount, descriptor)
    let identity = FilesystemIdentity(
      magic: status.magic, uuid: named.uuid, root: nil,
      volume: device.isEmpty && !named.isUUID && mount.device.hasPrefix("0:")
        ? Self.volume(fromSourceOf: mount) : device)
    return (identity, mount)
  }

  private static func volume(fromSourceOf mount: Mount) -> String {
    "source:\(mount.type):\(mount.source)"
  }

  /// Whether a mount may show this filesystem, by what the table has: no other is asked. One of FUSE is
  /// another after each mount.
  func mayBe(on mount: Mount) -> Bool {
    guard magic != .fuse else { return false }
    if mount.mayKeepWaiting { return volume == Self.volume(fromSourceOf: mount) }
    return magic.types?.contains(mount.type) ?? true
  }

  /// Another mounted superblock that may be the same filesystem by all that is known: a copy.
  func twin(of superblock: String) throws(Errno) -> FilePath? {
    var seen: Set<String> = [superblock]
    let table = try MountTable()
    let mounts = table.mounts
    let types = Set(mounts.filter { $0.device == superblock }.map(\.type))
    for mount in mounts
    where types.contains(mount.type) && mayBe(on: mount) && !seen.contains(mount.device) {
      guard table.leads(to: mount), seen.insert(mount.device).inserted,
        let fd = try? OwnedDescriptor(SystemCalls.open(mount.point, flags: SystemCalls.directory)),
        let (other, device) = try? Self.of(fd.descriptor), device == mount.device,
        matches(other)
      else { continue }
      return mount.point
    }
    return nil
  }

  private static func name(
    _ descriptor: FileDescriptor, _ status: FilesystemStatus
  ) -> (uuid: [UInt8], isUUID: Bool) {
    if let uuid = try? SystemCalls.uuid(of: descriptor), uuid.contains(where: { $0 != 0 }) {
      return (uuid, true)
    }
    if status.magic == .btrfs, let btrfs = try? SystemCalls.btrfs(descriptor) {
      return (btrfs.uuid, true)
    }
    return ((0..<8).map { UInt8(truncatingIfNeeded: status.fsid >> UInt64($0 * 8)) }, false)
  }

  /// The handle and birth of the filesystem's root directory, if a mount shows it.
  private static func root(
    _ mount: Mount, _ table: MountTable
  ) -> (handle: KernelFileHandle, birth: String)? {
    for candidate in [mount] + table.mounts
    where candidate.device == mount.device && candidate.root == "/" {
      guard table.leads(to: candidate),
        let fd = try? OwnedDescriptor(SystemCalls.open(candidate.point, flags: SystemCalls.path)),
        let made = try? KernelFileHandle.make(fd.descriptor, ""), made.mount == CInt(candidate.id)
      else { continue }
      let birth = (try? FullStatus(of: fd.descriptor))?.birth ?? ""
      return (made.handle, birth == "0.0" ? "" : birth)
    }
    return nil
  }
}

/// The name of the device that a filesystem is on, as far as it outlives a reboot.
enum Volume {
  /// Empty where nothing is known.
  static func name(of mount: Mount, _ descriptor: FileDescriptor) -> String {
    if let name = name(ofDevice: mount.device) { return name }
    // Btrfs has a device number of its own; with one device, the mount names it.
    guard mount.type == "btrfs", let btrfs = try? SystemCalls.btrfs(descriptor),
      btrfs.devices == 1,
      let fd = try? OwnedDescriptor(
        SystemCalls.open(FilePath(mount.source), flags: SystemCalls.path)),
      let status = try? FullStatus(of: fd.descriptor)
    else { return "" }
    return name(ofDevice: status.standsFor) ?? ""
  }

  private static func name(ofDevice device: String) -> String? {
    let directory = FilePath("/sys/dev/block/\(device)")
    if let backing = attribute(directory, "loop/backing_file") { return loop(FilePath(backing)) }
    if let uuid = attribute(directory, "dm/uuid") { return "dm:\(uuid)" }
    if let uuid = attribute(directory, "md/uuid") { return "md:\(uuid)" }
    if let number = attribute(directory, "partition") {
      return partition(directory, number: number)
    }
    return disk(directory)
  }

  /// A copied disk has the partitions' UUIDs too, so the disk's own name comes with it.
  private static func partition(_ directory: FilePath, number: String) -> String? {
    let parent = directory.appending("..")
    let disk = attribute(parent, "dev").flatMap { name(ofDevice: $0) }
    if let uuid = attribute(directory, "uevent").flatMap({ field("PARTUUID", $0) }) {
      return "partition:\(uuid)" + (disk.map { " of \($0)" } ?? "")
    }
    return disk.map { "\($0):\(number)" }
  }

  /// The image behind a loop device: a copy of it has another inode or another time of birth. Nothing is
  /// known of one on a filesystem that may keep waiting.
  private static func loop(_ image: FilePath) -> String? {
    guard (try? MountTable().answers(image)) == true,
      let fd = try? OwnedDescriptor(SystemCalls.open(image, flags: SystemCalls.path)),
      let status = try? FullStatus(of: fd.descriptor)
    else { return nil }
    return "loop:\(status.inode):\(status.birth)"
  }

  private static func disk(_ directory: FilePath) -> String? {
    for name in ["wwid", "device/wwid", "serial", "device/serial"] {
      if let value = attribute(directory, name) { return "disk:\(value)" }
    }
    return nil
  }

  static func attribute(_ directory: FilePath, _ name: String) -> String? {
    guard
      let file = try? OwnedDescriptor(
        SystemCalls.open(directory.appending(name), flags: SystemCalls.readOnly)),
      let bytes = try? SystemCalls.readAll(file.descriptor)
    else { return nil }
    let text = String(decoding: bytes, as: UTF8.self)
    let end = text.lastIndex { !$0.isWhitespace }
    return end.map { String(text[...$0]) }
  }

  static func field(_ name: String, _ uevent: String) -> String? {
    uevent.split(separator: "\n").first { $0.hasPrefix(name + "=") }
      .map { String($0.dropFirst(name.count + 1)) }
  }
}
