public import SystemPackage

/// A mount that this process sees: a line of `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).
public struct MountEntry: Sendable {
  /// The mount's id, as `statx(2)` gives it in `stx_mnt_id`. The next mount may get it after an
  /// unmount.
  public let id: Int
  /// The id of the mount that this one is mounted on.
  let parent: Int
  /// The device number of the superblock, as `major:minor`. Unlike `st_dev`, it is the same for all
  /// subvolumes of a btrfs.
  public let device: String
  /// The part of the filesystem that is mounted: `/` for all of it.
  let root: String
  /// The path of the mount point, as this process sees it.
  public let point: FilePath
  let isReadOnly: Bool
  /// The kind of filesystem, such as `ext4` or `fuse.handlefs`.
  public let type: String
  let source: String

  /// Reads the table.
  static func read() throws(Errno) -> [MountEntry] {
    try lines().compactMap { MountEntry(line: $0) }
  }

  /// Reads one entry of the table, without parsing the others.
  ///
  /// - Throws: `ENOENT` if this process does not see the mount.
  init(id: Int) throws(Errno) {
    let start = Array("\(id) ".utf8)
    guard let line = try Self.lines().first(where: { $0.starts(with: start) }),
      let entry = MountEntry(line: line)
    else { throw .noSuchFileOrDirectory }
    self = entry
  }

  private static func lines() throws(Errno) -> [ArraySlice<UInt8>] {
    let file = OwnedDescriptor(
      try SystemCalls.open("/proc/self/mountinfo", flags: SystemCalls.readOnly))
    return try SystemCalls.readAll(file.descriptor).split(separator: UInt8(ascii: "\n"))
  }

  /// Parses a line as bytes: a path need not be UTF-8, and a blank and a combining character after it
  /// are one `Character`.
  private init?(line: ArraySlice<UInt8>) {
    let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard let dash = fields.firstIndex(of: [UInt8(ascii: "-")]), dash >= 6,
      fields.count > dash + 2, let id = Int(Self.text(fields[0])),
      let parent = Int(Self.text(fields[1]))
    else { return nil }
    (self.id, self.parent) = (id, parent)
    device = Self.text(fields[2])
    root = Self.text(Self.unescaped(fields[3]))
    point = FilePath(bytes: Self.unescaped(fields[4]))
    isReadOnly = fields[5].starts(with: "ro".utf8)
    type = Self.text(fields[dash + 1])
    source = Self.text(Self.unescaped(fields[dash + 2]))
  }

  private static func text(_ bytes: some Collection<UInt8>) -> String {
    String(decoding: bytes, as: UTF8.self)
  }

  /// Decodes the octal escapes, which stand for blanks, backslashes and newlines.
  private static func unescaped(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    guard field.contains(0x5c) else { return field }
    var bytes: ArraySlice<UInt8> = []
    var rest = field
    while let byte = rest.popFirst() {
      if byte == 0x5c, rest.count >= 3,
        let value = UInt8(text(rest.prefix(3)), radix: 8)
      {
        bytes.append(value)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return bytes
  }
}

extension MountEntry {
  /// Whether a request to this filesystem may have to wait for a process or another machine that
  /// may never answer: a FUSE server, a file server, an automounter.
  ///
  /// The root mount does not count: a process whose root does not answer is stuck anyway.
  var mayKeepWaiting: Bool {
    point != "/" && (Self.served.contains(type) || type.hasPrefix("fuse."))
  }

  private static let served: Set<String> = [
    "fuse", "fuseblk", "virtiofs", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "autofs",
    "orangefs", "lustre", "glusterfs", "coda",
  ]
}

/// The mounts that this process sees.
struct MountTable {
  let mounts: [MountEntry]
  private let above: [Place: Int]

  /// A mount point: a path, on a mount.
  private struct Place: Hashable {
    /// `nil` if the mount is not in the table.
    var mount: Int?
    var path: FilePath
  }

  init() throws(Errno) {
    let mounts = try MountEntry.read()
    let ids = Set(mounts.map(\.id))
    self.mounts = mounts
    above = Dictionary(
      mounts.indices.map { i in
        let mount = mounts[i]
        let isTop = mount.parent == mount.id || !ids.contains(mount.parent)
        return (Place(mount: isTop ? nil : mount.parent, path: mount.point), i)
      }, uniquingKeysWith: { $1 })
  }

  subscript(id: Int) -> MountEntry? { mounts.first { $0.id == id } }
}

/// Determines where a path leads without asking any filesystem. A filesystem may have to wait for
/// its server, and one stuck server must not delay work that does not need it.
extension MountTable {
  /// Whether a mount can be opened by its path without waiting for another filesystem.
  func leads(to mount: MountEntry) -> Bool {
    guard case .mount(let found) = way(to: mount.point) else { return false }
    return found.id == mount.id
  }

  /// Whether a path can be looked up without waiting for a server.
  ///
  /// - Parameter device: a filesystem that may be asked even if it may keep its callers waiting, as
  ///   `major:minor`.
  func answers(_ path: FilePath, on device: String? = nil) -> Bool {
    switch way(to: path, asking: device) {
    case .mount(let mount): !mount.mayKeepWaiting || mount.device == device
    case .unknown: true
    case .waits: false
    }
  }

  private enum Way {
    case mount(MountEntry)
    /// The path is on no mount of the table, as in a `chroot(2)`.
    case unknown
    /// The path leads through a mount that may keep its callers waiting.
    case waits
  }

  /// Follows a path from the root. Does not resolve symbolic links.
  private func way(to path: FilePath, asking device: String? = nil) -> Way {
    var place = FilePath("/")
    var mount = top(at: place, of: nil)
    for component in path.components {
      if let mount, mount.mayKeepWaiting, mount.device != device { return .waits }
      place.append(component)
      mount = top(at: place, of: mount)
    }
    return mount.map { .mount($0) } ?? .unknown
  }

  /// Returns the topmost mount at a path, or `mount`, which the path is on, if nothing is mounted
  /// there.
  private func top(at path: FilePath, of mount: MountEntry?) -> MountEntry? {
    var mount = mount
    while let next = above[Place(mount: mount?.id, path: path)] { mount = mounts[next] }
    return mount
  }
}
