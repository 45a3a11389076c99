internal import SystemPackage

/// A row of the table `filesystems`: a word with the checksum, then what is known of the filesystem
/// as lines of text (Docs/Format.md).
enum FilesystemRecord {
  static let maximumSize = 4096
  private static let seed: UInt64 = 0x4653_0000_0000_0000

  static func encode(_ known: KnownFilesystem, _ id: FilesystemID) -> PackedBytes {
    let identity = known.identity
    let root = identity.root.map { "\($0.type.rawValue) \($0.hexadecimal)" } ?? ""
    let text = """
      magic \(String(identity.magic.rawValue, radix: 16))
      uuid \(identity.hexadecimal)
      root \(root)
      birth \(identity.birth)
      seed \(identity.seed)
      growth \(known.growth)
      newest \(known.newest)
      era \(known.era)
      superseded \(known.isSuperseded ? 1 : 0)
      volume \(String(identity.volume.map { $0.isNewline ? " " : $0 }))
      """
    let body = Array(text.utf8.prefix(maximumSize - 8))
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
    var fields: [Substring: Substring] = [:]
    for line in String(decoding: body, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
      fields[parts[0]] = parts.count > 1 ? parts[1] : ""
    }
    guard
      let magic = fields["magic"].flatMap({ UInt32($0, radix: 16) }),
      let uuid = fields["uuid"].flatMap({ Hexadecimal.bytes($0) }), let root = fields["root"],
      let volume = fields["volume"], let birth = fields["birth"], let seed = fields["seed"],
      let growth = fields["growth"].flatMap({ UInt64($0) }),
      let newest = fields["newest"].flatMap({ UInt32($0) }), let era = fields["era"],
      let superseded = fields["superseded"]
    else { return nil }
    let identity = FilesystemIdentity(
      magic: FilesystemMagic(rawValue: magic), uuid: uuid, root: handle(root),
      volume: String(volume), birth: String(birth), seed: String(seed))
    return KnownFilesystem(
      identity: identity, growth: growth, newest: newest, era: String(era),
      isSuperseded: superseded == "1")
  }

  private static func handle(_ text: Substring) -> KernelFileHandle? {
    let parts = text.split(separator: " ")
    guard parts.count == 2, let type = Int32(parts[0]), let bytes = Hexadecimal.bytes(parts[1])
    else { return nil }
    return KernelFileHandle(type: HandleType(rawValue: type), bytes: bytes)
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
