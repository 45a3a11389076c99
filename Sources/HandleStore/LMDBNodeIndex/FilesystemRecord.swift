/// A row of the table `filesystems`: a word with the checksum, then what is known of the filesystem
/// as lines of text (Docs/Format.md).
enum FilesystemRecord {
  static let maximumSize = 4096
  private static let seed: UInt64 = 0x4653_0000_0000_0000

  static func encode(_ known: KnownFilesystem, _ id: FilesystemID) -> PackedBytes {
    let body = Array(known.text.utf8.prefix(maximumSize - 8))
    return PackedBytes(header: checksum(body, id), body: body)
  }

  private static func checksum(_ body: [UInt8], _ id: FilesystemID) -> UInt64 {
    UInt64(Checksum.of(body, seed: seed | UInt64(id.rawValue)))
  }

  /// Returns the filesystem, or `nil` if the bytes are damaged.
  static func decode(_ packed: PackedBytes, _ id: FilesystemID) -> KnownFilesystem? {
    guard packed.size > 8 && packed.size <= maximumSize else { return nil }
    let body = packed.body
    guard packed.words[0] == checksum(body, id) else { return nil }
    return KnownFilesystem(text: String(decoding: body, as: UTF8.self))
  }
}

/// A word followed by bytes, stored as words.
struct PackedBytes: Stored {
  var words: [UInt64]
  /// The size in bytes, including the first word.
  var size: Int

  /// Makes room for the longest row.
  init() { self.init(size: FilesystemRecord.maximumSize) }

  /// Makes room for `size` bytes.
  init(size: Int) {
    words = Array(repeating: 0, count: (size + 7) / 8)
    self.size = size
  }

  init(header: UInt64, body: [UInt8]) {
    self.init(size: 8 + body.count)
    words[0] = header
    for (i, byte) in body.enumerated() { words[1 + i / 8][byte: i] = byte }
  }

  /// The bytes after the first word.
  var body: [UInt8] { (8..<size).map { words[$0 / 8][byte: $0] } }
}
