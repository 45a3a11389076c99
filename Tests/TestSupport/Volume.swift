import Foundation
import SystemPackage

/// The kinds of filesystems that the tests make.
public enum VolumeKind: String, CaseIterable, Sendable {
  /// On an image.
  case ext4, xfs, btrfs
  /// In memory: gone when it is unmounted.
  case tmpfs
  /// Over an ext4, with what exporting needs.
  case overlay
  /// Over an ext4, as containers have it: handles cannot be opened.
  case plainOverlay
  /// An ext4 shown by a FUSE server (bindfs), whose handles may lead to other files later.
  case fuse

  /// Those whose files can be opened by their handles.
  public static let allCases: [VolumeKind] = [.ext4, .xfs, .btrfs, .tmpfs, .overlay]

  /// Whether it can be unmounted and mounted again.
  public var lasts: Bool { self != .tmpfs }

  var image: VolumeKind { [.overlay, .plainOverlay, .fuse].contains(self) ? .ext4 : self }
  /// The least that each can be made with.
  var usualMegabytes: Int {
    switch self {
    case .ext4, .tmpfs, .overlay, .plainOverlay, .fuse: 64
    case .xfs: 320
    case .btrfs: 128
    }
  }
}

/// A filesystem of a test's own: an image in a temporary directory, mounted; taken down with the
/// value.
public final class Volume: @unchecked Sendable {
  /// What it is.
  public let kind: VolumeKind
  /// The image file, if it is on one.
  public let image: FilePath
  private let directory: TemporaryDirectory
  private let options: [String]
  private let megabytes: Int
  private var mounts: [Mount] = []
  /// The process that serves it, which ends when it is unmounted.
  private var server: Child?

  /// Makes a filesystem and mounts it.
  ///
  /// - Parameters:
  ///   - megabytes: its size.
  ///   - format: more arguments for `mkfs`.
  ///   - options: more options for `mount`.
  ///   - keepsParents: of XFS, whether each file knows its names.
  public init(
    _ kind: VolumeKind, megabytes: Int? = nil, format: [String] = [], options: [String] = [],
    keepsParents: Bool = false
  ) throws {
    self.kind = kind
    self.options = options
    self.megabytes = megabytes ?? kind.usualMegabytes
    directory = try TemporaryDirectory()
    image = directory.appending("image")
    if kind != .tmpfs { try makeImage(format) }
    if keepsParents { try keepParents() }
    try mount()
  }

  /// What `mkfs.xfs -n parent=1` does, which older ones cannot: the new filesystem has no files yet.
  private func keepParents() throws {
    func database(_ command: String) throws -> String {
      try succeed("xfs_db", "-x", "-c", "sb 0", "-c", command, image.string)
    }
    let features = try database("print features_incompat").split(separator: "x").last ?? ""
    guard let number = UInt32(features.trimmingCharacters(in: .whitespacesAndNewlines), radix: 16)
    else { throw CommandFailure(description: "xfs_db gives no features: \(features)") }
    _ = try database("write -d features_incompat 0x\(String(number | 0x80, radix: 16))")
  }

  /// Mounts a copy of a volume's image, which has everything that the original has.
  public init(copyOf other: Volume, options: [String] = []) throws {
    kind = other.kind
    self.options = options
    megabytes = other.megabytes
    directory = try TemporaryDirectory()
    image = directory.appending("image")
    try succeed("cp", "--sparse=always", other.image.string, image.string)
  }

  private func makeImage(_ format: [String]) throws {
    try succeed("truncate", "-s", "\(megabytes)M", image.string)
    let quiet = kind.image == .ext4 ? ["-F", "-q"] : kind == .xfs ? ["-q"] : ["-q", "-f"]
    try succeed(["mkfs.\(kind.image.rawValue)"] + quiet + format + [image.string])
  }

  /// The root of the filesystem.
  public var path: FilePath { mounts.last?.path ?? directory.appending("unmounted") }
  /// What the innermost filesystem is mounted from.
  public var source: String { get throws { try mounts.first?.source ?? "" } }

  /// Mounts it, in a directory of a name.
  public func mount(at name: String = "mounted", extra: [String] = []) throws {
    let point = directory.appending(name)
    var words = options + extra
    switch kind {
    case .tmpfs:
      words.append("size=\(megabytes)M")
      mounts = [
        try Mount(["-t", "tmpfs", "-o", words.joined(separator: ","), "handlestore"], at: point)
      ]
    case .overlay: try mountOverlay(at: point, ["index=on", "nfs_export=on"])
    case .plainOverlay: try mountOverlay(at: point, [])
    case .fuse: try mountServed(at: point)
    default:
      words.append("loop")
      mounts = [
        try Mount(
          ["-t", kind.rawValue, "-o", words.joined(separator: ","), image.string], at: point)
      ]
    }
  }

  private func mountBase(of point: FilePath) throws -> Mount {
    let name = "\(point.lastComponent?.string ?? "")-base"
    return try Mount(
      ["-t", "ext4", "-o", "loop", image.string], at: point.removingLastComponent().appending(name))
  }

  private func mountServed(at point: FilePath) throws {
    let below = try mountBase(of: point)
    mounts = [below]
    try FileManager.default.createDirectory(
      atPath: point.string, withIntermediateDirectories: true)
    // Not in the background: whoever waits for a command waits for its descendants too.
    server = try Child(["bindfs", "-f", below.path.string, point.string])
    mounts.append(try Mount(waitingFor: point))
  }

  private func mountOverlay(at point: FilePath, _ more: [String]) throws {
    let below = try mountBase(of: point)
    let base = below.path
    for name in ["lower", "upper", "work"] {
      try FileManager.default.createDirectory(
        atPath: base.appending(name).string, withIntermediateDirectories: true)
    }
    let layers = "lowerdir=\(base)/lower,upperdir=\(base)/upper,workdir=\(base)/work"
    mounts = [below]
    mounts.append(
      try Mount(
        ["-t", "overlay", "-o", ([layers] + more + options).joined(separator: ","), "overlay"],
        at: point))
  }

  /// The directory of the lower layer of an overlay.
  public var lower: FilePath? { kind == .overlay ? mounts.first?.path.appending("lower") : nil }

  /// Unmounts it; the image stays.
  public func unmount() throws {
    for mount in mounts.reversed() { try mount.unmount() }
    mounts = []
  }

  /// Mounts it somewhere else, under another device number.
  public func remountElsewhere() throws {
    let before = try device
    var blockers: [Volume] = []
    for attempt in 0..<8 {
      try unmount()
      blockers += [try Volume(.ext4, megabytes: 4), try Volume(.tmpfs)]
      try mount(at: "elsewhere-\(attempt)")
      if try device != before { return }
    }
    throw CommandFailure(description: "\(path) has the same device number again")
  }

  /// `st_dev` of the root.
  public var device: UInt64 {
    get throws {
      let attributes = try FileManager.default.attributesOfItem(atPath: path.string)
      return (attributes[.systemNumber] as? NSNumber)?.uint64Value ?? 0
    }
  }

  deinit {
    // The topmost first.
    while !mounts.isEmpty { mounts.removeLast() }
  }
}
