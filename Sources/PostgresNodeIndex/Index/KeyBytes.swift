internal import HandleStore

/// What the tables hold of a key in the index: a letter for its kind, the filesystem's number, and
/// then what the key consists of, numbers in big-endian order (Docs/Gateways.md).
extension MemoryNodes.Key {
  var bytes: [UInt8] {
    switch self {
    case .inode(let filesystem, let inode):
      return prefix("i", filesystem) + inode.words.flatMap { $0.bigEndianBytes }
    case .opaque(let filesystem, let handle):
      let type = UInt64(UInt32(bitPattern: handle.type.rawValue))
      return prefix("o", filesystem) + type.bigEndianBytes.suffix(4) + handle.bytes
    case .hint(let filesystem, let inode):
      return prefix("h", filesystem) + inode.bigEndianBytes
    }
  }

  private func prefix(_ kind: Character, _ filesystem: FilesystemID) -> [UInt8] {
    [kind.asciiValue ?? 0, UInt8(filesystem.rawValue >> 8), UInt8(filesystem.rawValue & 0xff)]
  }
}

extension UInt64 {
  fileprivate var bigEndianBytes: [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: self >> UInt64(56 - 8 * $0)) }
  }
}
