/// The contents of a handle whose layout is known: an inode, and a generation of it.
struct InodeIdentity: Equatable {
  /// The inode: its number, on btrfs with the subvolume, on overlayfs preceded by the layer's UUID.
  var inode: InodeKey
  /// The value that the filesystem changes when it reuses the inode number.
  var generation: UInt32
  /// Whether a handle with generation 0 opens whichever file has the number now
  /// (`generic_fh_to_dentry` callers that test `generation && …`).
  var zeroIsWildcard: Bool

  /// Whether opening such a handle may yield another file than the intended one.
  var needsComparison: Bool { generation == 0 && zeroIsWildcard }
}

/// What names an inode within a filesystem: one to four words.
struct InodeKey: Equatable {
  private(set) var words = InlineArray<4, UInt64>(repeating: 0)
  private(set) var count = 0

  init(_ first: UInt64) { append(first) }
  init(_ first: UInt64, _ second: UInt64) {
    append(first)
    append(second)
  }

  mutating func append(_ word: UInt64) {
    words[count] = word
    count += 1
  }

  static func == (a: InodeKey, b: InodeKey) -> Bool {
    guard a.count == b.count else { return false }
    for i in 0..<a.count where a.words[i] != b.words[i] { return false }
    return true
  }
}

extension KernelFileHandle {
  /// Returns the inode and generation that this handle names on a kind of filesystem, or `nil` if
  /// the layout is not known; such handles can only be compared whole.
  ///
  /// The layouts are those of `fs/ext4/namei.c`, `fs/xfs/xfs_export.c`, `mm/shmem.c`,
  /// `fs/fuse/inode.c`, `fs/btrfs/export.c` and `fs/overlayfs/export.c`.
  func identity(on filesystem: FilesystemMagic) -> InodeIdentity? {
    switch filesystem {
    case .ext, .f2fs: inode32Identity(from: 0, length: length, type: type)
    case .xfs:
      inode32Identity(from: 0, length: length, type: type, zeroIsWildcard: false)
        ?? inode64Identity(from: 0, length: length, type: type, zeroIsWildcard: false)
    case .fuse: fuseIdentity
    case .tmpfs: tmpfsIdentity
    case .btrfs: btrfsIdentity(from: 0, length: length, type: type)
    case .overlay: overlayIdentity
    default: nil
    }
  }

  /// `{ino32, gen}` or `{ino32, gen, parent ino32, parent gen}`.
  private func inode32Identity(
    from word: Int, length: Int, type: HandleType, zeroIsWildcard: Bool = true
  ) -> InodeIdentity? {
    guard type == .inode32 && length == 8 || type == .inode32Parent && length == 16 else {
      return nil
    }
    return InodeIdentity(
      inode: InodeKey(words[word] & 0xffff_ffff), generation: UInt32(words[word] >> 32),
      zeroIsWildcard: zeroIsWildcard)
  }

  /// `{ino64, gen}` or `{ino64, gen, parent ino64, parent gen}`.
  private func inode64Identity(
    from word: Int, length: Int, type: HandleType, zeroIsWildcard: Bool
  ) -> InodeIdentity? {
    guard type == .inode64 && length == 12 || type == .inode64Parent && length == 24 else {
      return nil
    }
    return InodeIdentity(
      inode: InodeKey(words[word]), generation: UInt32(truncatingIfNeeded: words[word + 1]),
      zeroIsWildcard: zeroIsWildcard)
  }

  /// The layout of ``inode64Identity``, with the upper half of the inode number first.
  private var fuseIdentity: InodeIdentity? {
    guard
      var identity = inode64Identity(from: 0, length: length, type: type, zeroIsWildcard: false)
    else { return nil }
    identity.inode = InodeKey(words[0] >> 32 | words[0] << 32)
    return identity
  }

  /// `{gen, ino64}`.
  private var tmpfsIdentity: InodeIdentity? {
    guard type == .inode32 && length == 12 else { return nil }
    return InodeIdentity(
      inode: InodeKey(words[0] >> 32 | words[1] << 32),
      generation: UInt32(truncatingIfNeeded: words[0]), zeroIsWildcard: false)
  }

  /// `{object id, subvolume id, gen, …}`: an object id is unique within its subvolume.
  private func btrfsIdentity(from word: Int, length: Int, type: HandleType) -> InodeIdentity? {
    guard
      type == .btrfs && length == 20 || type == .btrfsParent && length == 32
        || type == .btrfsParentRoot && length == 40
    else { return nil }
    return InodeIdentity(
      inode: InodeKey(words[word], words[word + 1]),
      generation: UInt32(truncatingIfNeeded: words[word + 2]), zeroIsWildcard: true)
  }

  /// `{pad[3], version, magic, length, flags, type, uuid[16], the layer's handle}`. The layer's
  /// filesystem, whose kind is not known here, checks the generation; so generation 0 counts as a
  /// wildcard on every layer.
  private var overlayIdentity: InodeIdentity? {
    guard type == .overlay && length > 24 else { return nil }
    let inner = HandleType(rawValue: Int32(words[0] >> 56))
    let rest = length - 24
    guard
      var identity = inode32Identity(from: 3, length: rest, type: inner)
        ?? inode64Identity(from: 3, length: rest, type: inner, zeroIsWildcard: true)
        ?? btrfsIdentity(from: 3, length: rest, type: inner)
    else { return nil }
    var inode = InodeKey(words[1], words[2])
    for i in 0..<identity.inode.count { inode.append(identity.inode.words[i]) }
    identity.inode = inode
    return identity
  }

  /// Returns the inode number, or `nil` if the layout is not known.
  func inodeNumber(on filesystem: FilesystemMagic) -> UInt64? {
    guard let inode = identity(on: filesystem)?.inode else { return nil }
    return filesystem == .overlay ? inode.words[2] : inode.words[0]
  }
}
