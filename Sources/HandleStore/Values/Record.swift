package import SystemPackage

/// The state of a node.
public enum NodeState: UInt8, Sendable, CaseIterable {
  /// The node's file can be requested.
  case live = 1
  /// The node's file is gone, or its inode belongs to another file. A stale node stays stale.
  case stale = 2
}

/// A row of the table `nodes`: 48 bytes in six little-endian words (Docs/Format.md).
///
/// ```
/// word 0   checksum 32 | handle type 32
/// word 1   parent's node id
/// word 2   filesystem 16 | file type 4, state 4 | handle length 8 | since 32
/// word 3…5 the handle if it has at most 24 bytes, else zero
/// ```
package struct Record {
  static let size = 48
  /// The longest handle in bytes that the record has room for. A longer one is spilled.
  static let inlineLimit = 24

  package var words = InlineArray<6, UInt64>(repeating: 0)

  package init() {}

  @inline(__always)
  package init(
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

  package var handleType: HandleType {
    HandleType(rawValue: Int32(truncatingIfNeeded: words[0] >> 32))
  }
  package var handleLength: Int { Int(words[2] >> 24 & 0xff) }
  package var isSpilled: Bool { handleLength > Self.inlineLimit }
  package var filesystem: FilesystemID { FilesystemID(rawValue: UInt16(words[2] & 0xffff)) }
  package var type: FileType { FileType(rawValue: CInterop.Mode(words[2] >> 16 & 15) << 12) }
  package var state: NodeState? { NodeState(rawValue: UInt8(words[2] >> 20 & 15)) }

  package var parent: NodeID? {
    get { words[1] == 0 ? nil : NodeID(rawValue: words[1]) }
    set { words[1] = newValue?.rawValue ?? 0 }
  }

  /// When the node entered its state, in seconds since 1970.
  package var since: UInt32 { UInt32(words[2] >> 32) }

  /// Whether the node entered its state at least `age` seconds before `now`. Every node is older
  /// than 0 seconds, even if the clock was set back.
  package func isOlder(than age: UInt32, at now: UInt32) -> Bool {
    age == 0 || now >= since && now - since >= age
  }

  package mutating func enter(_ state: NodeState, at since: UInt32) {
    words[2] =
      words[2] & 0xff0f_ffff | UInt64(state.rawValue) << 20 | UInt64(since) << 32
  }

  /// The handle, or `nil` if it is not inline.
  var inlineHandle: KernelFileHandle? {
    (1...Self.inlineLimit).contains(handleLength) ? handleBytes : nil
  }

  /// The handle if it is inline; of a spilled one, the type and length with bytes of zero.
  var handleBytes: KernelFileHandle {
    var handle = InlineArray<16, UInt64>(repeating: 0)
    for i in 0..<3 { handle[i] = words[3 + i] }
    return KernelFileHandle(type: handleType, length: handleLength, words: handle)
  }
}
