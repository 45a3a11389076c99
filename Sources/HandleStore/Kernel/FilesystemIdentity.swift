internal import SystemPackage

/// What distinguishes one filesystem from all others, across remounts and reboots.
///
/// The main part is its UUID or, if it has none, the id of `statfs(2)`. But a copied image or an
/// LVM snapshot has the same UUID, and so has an image that was made anew with a fixed UUID. So the
/// identity has more parts: the handle and birth of the root directory, on ext4 the random seed of
/// the directory hashes, and the volume: the system's name for the device that holds the filesystem
/// (or the mount's source, if the filesystem has neither UUID nor device). A part that is unknown
/// matches any value.
public struct FilesystemIdentity: Hashable, Sendable {
  /// The kind of filesystem.
  public internal(set) var magic: FilesystemMagic
  /// A UUID of 16 bytes or, if the filesystem has none, the id of `statfs(2)`, 8 bytes.
  public internal(set) var uuid: [UInt8]
  /// The handle of the root directory, if a mount shows that directory.
  public internal(set) var root: KernelFileHandle?
  /// The name of the device that holds the filesystem, if the name survives a reboot; otherwise
  /// empty.
  public internal(set) var volume: String
  /// When the root directory was created, as `seconds.nanoseconds`; empty if unknown.
  var birth = ""
  /// The hash seed in ext4's superblock, which mke2fs draws anew each time; empty if unknown.
  var seed = ""

  /// Whether ``uuid`` is a UUID. If not, it may change with a remount.
  public var isUUID: Bool { uuid.count == 16 }

  /// ``uuid`` in hexadecimal, two digits a byte, without separators.
  public var hexadecimal: String { Hexadecimal.string(uuid) }

  /// Whether both may be the same filesystem: no part that both know differs.
  func matches(_ other: FilesystemIdentity) -> Bool {
    guard magic == other.magic && uuid == other.uuid else { return false }
    if let root, let otherRoot = other.root, root != otherRoot { return false }
    return agrees(with: other, in: [\.volume, \.birth, \.seed])
  }

  /// Whether both have the same root directory, whatever their UUIDs and volumes: hosts may see one
  /// filesystem under several of these. Both roots must be known.
  func hasSameRoot(as other: FilesystemIdentity) -> Bool {
    magic == other.magic && root != nil && root == other.root
      && agrees(with: other, in: [\.birth, \.seed])
  }

  private func agrees(
    with other: FilesystemIdentity, in parts: [KeyPath<Self, String>]
  ) -> Bool {
    parts.allSatisfy { part in
      self[keyPath: part].isEmpty || other[keyPath: part].isEmpty
        || self[keyPath: part] == other[keyPath: part]
    }
  }
}

extension FilesystemIdentity {
  /// Returns the identity of the filesystem that a file is on, and the device number of its
  /// superblock.
  static func of(
    _ descriptor: FileDescriptor
  ) throws(Errno) -> (identity: FilesystemIdentity, superblock: String) {
    try of(descriptor, in: MountTable())
  }

  /// The same for a file on a mount of a table.
  static func of(
    _ descriptor: FileDescriptor, in table: MountTable
  ) throws(Errno) -> (identity: FilesystemIdentity, superblock: String) {
    guard let mount = table[try mountID(of: descriptor)] else { throw .noSuchFileOrDirectory }
    var identity = try ofVolume(descriptor, mount, table)
    if let root = root(mount, table) { (identity.root, identity.birth) = root }
    if identity.magic == .ext { identity.seed = ExtSuperblock.hashSeed(of: mount) ?? "" }
    return (identity, mount.device)
  }

  /// Returns the identity of a filesystem whose files are kept open. Nothing tells whether it is the
  /// same one after a remount, so only the device number of the mounted superblock counts, which no
  /// other filesystem gets while a file is open.
  static func ofKept(_ descriptor: FileDescriptor) throws(Errno) -> FilesystemIdentity {
    let magic = try FilesystemStatus(of: descriptor).magic
    let mount = try MountEntry(id: FullStatus(of: descriptor).mount)
    return FilesystemIdentity(
      magic: magic, uuid: keptMark, root: nil, volume: "kept:\(mount.device)")
  }

  private static let keptMark = Array("HandleStore kept".utf8)

  /// Whether this is the identity of a filesystem whose files are kept open.
  var isKept: Bool { uuid == Self.keptMark }

  /// Returns the identity without the root directory and the hash seed, which count as unknown.
  static func ofVolume(_ descriptor: FileDescriptor) throws(Errno) -> FilesystemIdentity {
    try ofVolume(descriptor, MountEntry(id: mountID(of: descriptor)))
  }

  private static func mountID(of descriptor: FileDescriptor) throws(Errno) -> Int {
    Int(try KernelFileHandle.make(descriptor, "").mount)
  }

  private static func ofVolume(
    _ descriptor: FileDescriptor, _ mount: MountEntry, _ table: MountTable? = nil
  ) throws(Errno) -> FilesystemIdentity {
    let status = try FilesystemStatus(of: descriptor)
    let named = name(descriptor, status)
    let device = Volume.name(of: mount, descriptor, table)
    return FilesystemIdentity(
      magic: status.magic, uuid: named.uuid, root: nil,
      volume: device.isEmpty && !named.isUUID && mount.device.hasPrefix("0:")
        ? Self.volume(fromSourceOf: mount) : device)
  }

  private static func volume(fromSourceOf mount: MountEntry) -> String {
    "source:\(mount.type):\(mount.source)"
  }

  /// Whether a mount may show this filesystem, judged by the mount table alone. A FUSE filesystem
  /// is a different one after each mount, so for FUSE the result is `false`.
  func mayBe(on mount: MountEntry) -> Bool {
    guard magic != .fuse else { return false }
    if mount.mayKeepWaiting { return volume == Self.volume(fromSourceOf: mount) }
    return magic.types?.contains(mount.type) ?? true
  }

  /// Returns the mount point of a copy: another mounted superblock that may be the same filesystem
  /// by all that is known. `nil` if there is none.
  func twin(of superblock: String, in table: MountTable) -> FilePath? {
    var seen: Set<String> = [superblock]
    let mounts = table.mounts
    let types = Set(mounts.filter { $0.device == superblock }.map(\.type))
    for mount in mounts
    where types.contains(mount.type) && mayBe(on: mount) && !seen.contains(mount.device) {
      guard table.leads(to: mount), seen.insert(mount.device).inserted,
        let fd = try? OwnedDescriptor(SystemCalls.open(mount.point, flags: SystemCalls.directory)),
        let (other, device) = try? Self.of(fd.descriptor, in: table), device == mount.device,
        matches(other),
        // Another filesystem may have been mounted there, with the same mount id, since the table was read.
        (try? Self.of(fd.descriptor))?.superblock == mount.device
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
    return (status.fsid.littleEndianBytes, false)
  }

  /// Returns the handle and birth of the filesystem's root directory, if a mount shows it.
  private static func root(
    _ mount: MountEntry, _ table: MountTable
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

/// The name of the device that holds a filesystem, if the name survives a reboot.
enum Volume {
  /// Returns the name of a mount's device; empty if unknown.
  ///
  /// - Parameter table: the present mounts, if they are known.
  static func name(
    of mount: MountEntry, _ descriptor: FileDescriptor, _ table: MountTable?
  ) -> String {
    if let name = name(ofDevice: mount.device, table) { return name }
    // A btrfs has a device number of its own. If it has only one device, that is the mount's
    // source.
    guard mount.type == "btrfs", let btrfs = try? SystemCalls.btrfs(descriptor),
      btrfs.devices == 1,
      let fd = try? OwnedDescriptor(
        SystemCalls.open(FilePath(mount.source), flags: SystemCalls.path)),
      let status = try? FullStatus(of: fd.descriptor)
    else { return "" }
    return name(ofDevice: status.standsFor, table) ?? ""
  }

  private static func name(ofDevice device: String, _ table: MountTable?) -> String? {
    let directory = FilePath("/sys/dev/block/\(device)")
    if let backing = attribute(directory, "loop/backing_file") {
      return loop(FilePath(backing), table)
    }
    if let uuid = attribute(directory, "dm/uuid") { return "dm:\(uuid)" }
    if let uuid = attribute(directory, "md/uuid") { return "md:\(uuid)" }
    if let number = attribute(directory, "partition") {
      return partition(directory, number: number, table)
    }
    return disk(directory)
  }

  /// A copied disk has the same partition UUIDs, so the disk's own name is part of the name.
  private static func partition(
    _ directory: FilePath, number: String, _ table: MountTable?
  ) -> String? {
    let parent = directory.appending("..")
    let disk = attribute(parent, "dev").flatMap { name(ofDevice: $0, table) }
    if let uuid = attribute(directory, "uevent").flatMap({ field("PARTUUID", $0) }) {
      return "partition:\(uuid)" + (disk.map { " of \($0)" } ?? "")
    }
    return disk.map { "\($0):\(number)" }
  }

  /// Returns the name of the image behind a loop device. A copy of the image has another inode
  /// number or another birth. `nil` if the image is on a filesystem that may keep its callers
  /// waiting.
  private static func loop(_ image: FilePath, _ table: MountTable?) -> String? {
    guard let table = try? table ?? MountTable(), table.answers(image),
      let fd = try? OwnedDescriptor(SystemCalls.open(image, flags: SystemCalls.path)),
      let status = try? FullStatus(of: fd.descriptor)
    else { return nil }
    return "loop:\(status.file.inode):\(status.birth)"
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
