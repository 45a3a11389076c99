/// A key of the table `inodes`: the filesystem's number in two bytes, big-endian, then words of
/// eight bytes (Docs/Format.md).
///
/// | key | words | value |
/// | --- | --- | --- |
/// | inode of a known handle type | the words of the ``FileKey``, big-endian | node id |
/// | opaque handle | length and type, then the bytes; filesystem + 0x8000 | node id, `st_ino` |
/// | alias | as one of the two | node id + 2⁶³ |
/// | hint for opaque handles | `st_ino`, big-endian; filesystem + 0x8000 | node id |
struct IndexKey: Equatable {
  static let opaqueBit: UInt16 = 0x8000

  var words: FewWords
  private(set) var size = 2
  /// What the key's handle names; `nil` for an opaque handle and for a hint.
  private(set) var file: FileKey?

  /// Whether this is the key of an opaque handle, or a hint for one.
  var isOpaque: Bool { file == nil }

  init() { words = FewWords(count: Self.mostWords) }

  /// - Parameter count: how many words follow.
  private init(prefix: UInt16, words count: Int) {
    words = FewWords(count: count + 1)
    words[0] = UInt64(prefix.byteSwapped)
  }

  private static let mostWords = 18

  /// The key of a handle on a filesystem with a magic number.
  init(_ handle: KernelFileHandle, on filesystem: FilesystemID, _ magic: FilesystemMagic) {
    if let file = handle.fileKey(on: magic) {
      self.init(file, on: filesystem)
    } else {
      self.init(opaque: handle, on: filesystem)
    }
  }

  /// The key of an inode that a known handle type names.
  init(_ file: FileKey, on filesystem: FilesystemID) {
    self.init(prefix: filesystem.rawValue, words: file.count)
    for i in 0..<file.count { append(bigEndian: file.words[i]) }
    self.file = file
  }

  /// The hint for opaque handles of files with an `st_ino`.
  init(hint inode: UInt64, on filesystem: FilesystemID) {
    self.init(prefix: filesystem.rawValue | Self.opaqueBit, words: 1)
    append(bigEndian: inode)
  }

  /// The key of an opaque handle.
  private init(opaque handle: KernelFileHandle, on filesystem: FilesystemID) {
    self.init(prefix: filesystem.rawValue | Self.opaqueBit, words: 1 + handle.wordCount)
    append(
      bigEndian: UInt64(handle.length) << 32 | UInt64(UInt32(bitPattern: handle.type.rawValue)))
    for i in 0..<handle.wordCount { append(handle.words[i]) }
  }

  private mutating func append(bigEndian word: UInt64) { append(word.byteSwapped) }

  /// Appends eight bytes; the two bytes of the prefix shift them across two words.
  private mutating func append(_ word: UInt64) {
    let at = size / 8
    words[at] |= word << 16
    words[at + 1] = word >> 48
    size += 8
  }

  var hash: UInt64 {
    var all = InlineArray<18, UInt64>(repeating: 0)
    for i in 0...(size / 8) { all[i] = words[i] }
    return Checksum.wide(all.span, 0..<size, seed: 0)
  }

  static func == (a: IndexKey, b: IndexKey) -> Bool {
    guard a.size == b.size else { return false }
    for i in 0...(a.size / 8) where a.words[i] != b.words[i] { return false }
    return true
  }
}

/// A value of the table `inodes`: a node id, and for an opaque handle of a live node also the file's
/// `st_ino`. If the highest bit of the id is set, the key belongs to an alias of the node.
struct IndexValue {
  var words = InlineArray<2, UInt64>(repeating: 0)
  let size: Int

  init() { size = 16 }

  init(_ node: NodeID) {
    words[0] = node.rawValue
    size = 8
  }

  init(_ node: NodeID, inode: UInt64) {
    words[0] = node.rawValue
    words[1] = inode
    size = 16
  }

  init(aliasOf node: NodeID) { self.init(NodeID(rawValue: node.rawValue | Self.aliasBit)) }

  private static let aliasBit: UInt64 = 1 << 63

  var node: NodeID { NodeID(rawValue: words[0] & ~Self.aliasBit) }
  var isAlias: Bool { words[0] & Self.aliasBit != 0 }

  func isAlias(of node: NodeID) -> Bool { isAlias && self.node == node }
  var inode: UInt64 { words[1] }
}
