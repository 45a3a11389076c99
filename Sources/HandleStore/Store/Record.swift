internal import SystemPackage

/// What a node is to the store.
public enum NodeState: UInt8, Sendable, CaseIterable {
  /// Its file can be asked for.
  case live = 1
  /// Its file is gone, or its inode belongs to another file; it stays so for ever.
  case stale = 2
  /// It is the handle that a node had before its file was copied up (``Store/copyUp(_:to:status:on:)``),
  /// and ``Node/parent`` names that node. Its own id is given to nobody.
  case alias = 3

  /// Whether the index names it under its handle.
  var isIndexed: Bool { self != .stale }
}

/// A node as the table `nodes` holds it: 48 bytes in six little-endian words (Docs/Format.md).
///
/// ```
/// word 0   checksum 32 | handle type 32
/// word 1   parent's node id
/// word 2   filesystem 16 | file type 4, state 4 | handle length 8 | since 32
/// word 3…5 the handle where it has at most 24 bytes, else zero
/// ```
struct Record {
  static let size = 48
  /// Handles of more bytes are spilled.
  static let inlineLimit = 24

  var words = InlineArray<6, UInt64>(repeating: 0)

  init() {}

  init(
    handle: KernelFileHandle, filesystem: FilesystemID, type: FileType, parent: NodeID?,
    since: UInt32
  ) {
    words[0] = UInt64(UInt32(bitPattern: handle.type.rawValue)) << 32
    words[1] = parent?.rawValue ?? 0
    words[2] =
      UInt64(filesystem.rawValue) | UInt64(type.rawValue >> 12) << 16
      | UInt64(NodeState.live.rawValue) << 20 | UInt64(handle.length) << 24 | UInt64(since) << 32
    guard handle.length <= Self.inlineLimit else { return }
    for i in 0..<3 { words[3 + i] = handle.words[i] }
  }

  var handleType: HandleType {
    HandleType(rawValue: Int32(truncatingIfNeeded: words[0] >> 32))
  }
  var handleLength: Int { Int(words[2] >> 24 & 0xff) }
  var isSpilled: Bool { handleLength > Self.inlineLimit }
  var filesystem: FilesystemID { FilesystemID(rawValue: UInt16(words[2] & 0xffff)) }
  var type: FileType { FileType(rawValue: CInterop.Mode(words[2] >> 16 & 15) << 12) }
  var state: NodeState? { NodeState(rawValue: UInt8(words[2] >> 20 & 15)) }

  var parent: NodeID? {
    get { words[1] == 0 ? nil : NodeID(rawValue: words[1]) }
    set { words[1] = newValue?.rawValue ?? 0 }
  }

  /// When the node entered its state, in seconds since 1970.
  var since: UInt32 { UInt32(words[2] >> 32) }

  mutating func enter(_ state: NodeState, at since: UInt32) {
    words[2] =
      words[2] & 0xff0f_ffff | UInt64(state.rawValue) << 20 | UInt64(since) << 32
  }

  /// The handle where it is inline.
  var inlineHandle: KernelFileHandle? {
    (1...Self.inlineLimit).contains(handleLength) ? handleBytes : nil
  }

  /// The handle as far as it is inline.
  var handleBytes: KernelFileHandle {
    var handle = InlineArray<16, UInt64>(repeating: 0)
    for i in 0..<3 { handle[i] = words[3 + i] }
    return KernelFileHandle(type: handleType, length: handleLength, words: handle)
  }

  // MARK: Checksum

  private func checksum(for id: NodeID) -> UInt32 {
    Checksum.of(words.span, 4..<Self.size, seed: id.rawValue)
  }

  /// Writes the checksum for a node's id; the last thing done before a record is put.
  mutating func seal(for id: NodeID) {
    words[0] = words[0] & ~0xffff_ffff | UInt64(checksum(for: id))
  }

  /// Whether this is a whole record of this node's.
  func isIntact(for id: NodeID) -> Bool {
    UInt32(truncatingIfNeeded: words[0]) == checksum(for: id) && state != nil
      && (1...KernelFileHandle.maximumLength).contains(handleLength)
  }
}

/// A handle of more than 24 bytes as the table `spill` holds it: a word of checksum and length, and
/// the bytes.
struct SpilledHandle {
  static let headerSize = 8
  /// Sets a spilled handle's checksum apart from a record's.
  private static let seed: UInt64 = 0x5350_494c_4c45_4400

  var words = InlineArray<17, UInt64>(repeating: 0)

  init() {}

  init(_ handle: KernelFileHandle, for id: NodeID) {
    words[0] = UInt64(handle.length) << 32
    for i in 0..<16 { words[1 + i] = handle.words[i] }
    words[0] |= UInt64(checksum(for: id))
  }

  /// The number of bytes in the handle, as far as it can be one.
  var length: Int { min(Int(words[0] >> 32), KernelFileHandle.maximumLength) }
  /// The number of bytes in the table.
  var size: Int { Self.headerSize + length }

  /// The handle, if these are `size` whole bytes of this node's.
  func handle(type: HandleType, size: Int, for id: NodeID) -> KernelFileHandle? {
    guard isIntact(size: size, for: id) else { return nil }
    var handle = InlineArray<16, UInt64>(repeating: 0)
    for i in 0..<16 { handle[i] = words[1 + i] }
    return KernelFileHandle(type: type, length: length, words: handle)
  }

  /// Whether these are `size` whole bytes of this node's.
  func isIntact(size: Int, for id: NodeID) -> Bool {
    size == self.size && length > Record.inlineLimit
      && UInt32(truncatingIfNeeded: words[0]) == checksum(for: id)
  }

  private func checksum(for id: NodeID) -> UInt32 {
    Checksum.of(words.span, 4..<size, seed: id.rawValue ^ Self.seed)
  }
}
