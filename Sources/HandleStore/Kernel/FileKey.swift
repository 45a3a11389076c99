/// What a handle of a known layout names: an inode of a filesystem, and a generation of it. Two
/// handles on one filesystem name the same file if their keys are equal.
public struct FileKey: Hashable, Sendable {
  /// The inode's number; on overlayfs its number in the layer.
  public var number: UInt64 { isInLayer ? words[2] : words[0] }
  /// The subvolume's id on btrfs, whose inode numbers are unique only within a subvolume; `nil` on
  /// other filesystems.
  public var subvolume: UInt64? { !isInLayer && count == 2 ? words[1] : nil }
  /// What the filesystem changes when it reuses the number.
  public let generation: UInt32
  /// Whether a handle with generation 0 opens whichever file has the number now
  /// (`generic_fh_to_dentry` callers that test `generation && …`).
  let zeroIsWildcard: Bool
  /// What names the inode within its filesystem: the number, on btrfs followed by the subvolume, on
  /// overlayfs preceded by the layer's UUID.
  private(set) var words = InlineArray<4, UInt64>(repeating: 0)
  private(set) var count = 0
  /// Whether a layer's UUID comes first.
  private var isInLayer = false

  init(_ number: UInt64, subvolume: UInt64? = nil, generation: UInt32, zeroIsWildcard: Bool) {
    self.generation = generation
    self.zeroIsWildcard = zeroIsWildcard
    append(number)
    if let subvolume { append(subvolume) }
  }

  /// The key of an overlayfs's file, given the key of the file in its layer.
  init(_ inner: FileKey, inLayer uuid: (UInt64, UInt64)) {
    generation = inner.generation
    zeroIsWildcard = inner.zeroIsWildcard
    isInLayer = true
    append(uuid.0)
    append(uuid.1)
    for i in 0..<inner.count { append(inner.words[i]) }
  }

  private mutating func append(_ word: UInt64) {
    words[count] = word
    count += 1
  }

  /// Whether opening such a handle may yield another file than the intended one.
  var needsComparison: Bool { generation == 0 && zeroIsWildcard }

  /// Whether both name the same inode, of whatever generation.
  func isOfSameInode(as other: FileKey) -> Bool {
    guard count == other.count else { return false }
    for i in 0..<count where words[i] != other.words[i] { return false }
    return true
  }

  /// Whether both name the same generation of the same inode.
  public static func == (a: FileKey, b: FileKey) -> Bool {
    a.generation == b.generation && a.isOfSameInode(as: b)
  }

  /// Hashes what ``==(_:_:)`` compares.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(generation)
    for i in 0..<count { hasher.combine(words[i]) }
  }
}

extension KernelFileHandle {
  /// Returns the inode and generation that this handle names on a kind of filesystem, or `nil` if
  /// the handle is opaque: its layout is not known, and it can only be compared whole.
  ///
  /// - Complexity: O(1), without a system call.
  ///
  /// The layouts are those of `fs/ext4/namei.c`, `fs/xfs/xfs_export.c`, `mm/shmem.c`,
  /// `fs/fuse/inode.c`, `fs/btrfs/export.c` and `fs/overlayfs/export.c`.
  @inline(__always)
  public func fileKey(on filesystem: FilesystemMagic) -> FileKey? {
    switch filesystem {
    case .ext, .f2fs: inode32Key(from: 0, length: length, type: type)
    default: furtherKey(on: filesystem)
    }
  }

  /// A function of its own, so that ``fileKey(on:)`` is short enough to be inlined: a call copies the handle.
  private func furtherKey(on filesystem: FilesystemMagic) -> FileKey? {
    switch filesystem {
    case .xfs:
      inode32Key(from: 0, length: length, type: type, zeroIsWildcard: false)
        ?? inode64Key(from: 0, length: length, type: type, zeroIsWildcard: false)
    case .fuse: fuseKey
    case .tmpfs: tmpfsKey
    case .btrfs: btrfsKey(from: 0, length: length, type: type)
    case .overlay: overlayKey
    default: nil
    }
  }

  /// `{ino32, gen}` or `{ino32, gen, parent ino32, parent gen}`.
  @inline(__always)
  private func inode32Key(
    from word: Int, length: Int, type: HandleType, zeroIsWildcard: Bool = true
  ) -> FileKey? {
    guard type == .inode32 && length == 8 || type == .inode32Parent && length == 16 else {
      return nil
    }
    return FileKey(
      words[word] & 0xffff_ffff, generation: UInt32(words[word] >> 32),
      zeroIsWildcard: zeroIsWildcard)
  }

  /// `{ino64, gen}` or `{ino64, gen, parent ino64, parent gen}`.
  private func inode64Key(
    from word: Int, length: Int, type: HandleType, zeroIsWildcard: Bool
  ) -> FileKey? {
    guard type == .inode64 && length == 12 || type == .inode64Parent && length == 24 else {
      return nil
    }
    return FileKey(
      words[word], generation: UInt32(truncatingIfNeeded: words[word + 1]),
      zeroIsWildcard: zeroIsWildcard)
  }

  /// The layout of ``inode64Key``, with the upper half of the inode number first.
  private var fuseKey: FileKey? {
    guard let key = inode64Key(from: 0, length: length, type: type, zeroIsWildcard: false) else {
      return nil
    }
    return FileKey(
      words[0] >> 32 | words[0] << 32, generation: key.generation, zeroIsWildcard: false)
  }

  /// `{gen, ino64}`.
  private var tmpfsKey: FileKey? {
    guard type == .inode32 && length == 12 else { return nil }
    return FileKey(
      words[0] >> 32 | words[1] << 32, generation: UInt32(truncatingIfNeeded: words[0]),
      zeroIsWildcard: false)
  }

  /// `{object id, subvolume id, gen, …}`: an object id is unique within its subvolume.
  private func btrfsKey(from word: Int, length: Int, type: HandleType) -> FileKey? {
    guard
      type == .btrfs && length == 20 || type == .btrfsParent && length == 32
        || type == .btrfsParentRoot && length == 40
    else { return nil }
    return FileKey(
      words[word], subvolume: words[word + 1],
      generation: UInt32(truncatingIfNeeded: words[word + 2]), zeroIsWildcard: true)
  }

  /// `{pad[3], version, magic, length, flags, type, uuid[16], the layer's handle}`. The layer's
  /// filesystem, whose kind is not known here, checks the generation; so generation 0 counts as a
  /// wildcard on every layer.
  private var overlayKey: FileKey? {
    guard type == .overlay && length > 24 else { return nil }
    let inner = HandleType(rawValue: Int32(words[0] >> 56))
    let rest = length - 24
    guard
      let key = inode32Key(from: 3, length: rest, type: inner)
        ?? inode64Key(from: 3, length: rest, type: inner, zeroIsWildcard: true)
        ?? btrfsKey(from: 3, length: rest, type: inner)
    else { return nil }
    return FileKey(key, inLayer: (words[1], words[2]))
  }

  /// Whether the generation in this handle tells its file from any later one that gets its inode
  /// number.
  func isLasting(on magic: FilesystemMagic) -> Bool {
    fileKey(on: magic) != nil && ![.server, .unknown].contains(magic.generations)
  }

  /// Whether two handles name the same generation of the same inode.
  func isOfSameFile(as other: KernelFileHandle, on magic: FilesystemMagic) -> Bool {
    guard let mine = fileKey(on: magic), let its = other.fileKey(on: magic) else {
      return self == other
    }
    return mine == its
  }
}
