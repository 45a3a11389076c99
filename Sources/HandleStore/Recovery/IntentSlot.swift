internal import SystemPackage

/// The layout of an intent in memory: 128 words. Word 0 is the request's number; it is 0 in a free
/// slot, and is stored last.
///
/// ```
/// word 1        operation 8 | file type 16 | lengths of the two names 16, 16
/// word 2, 3     size, length
/// word 4…35     name
/// word 36…67    new name
/// word 68…84    file: its handle's type 32, length 32, and the bytes
/// word 85…101   other
/// ```
enum IntentSlot {
  static let words = 128
  private static let name = 4
  private static let newName = 36
  private static let file = 68
  private static let other = 85
  private static let nameBytes = 256

  static func write(_ intent: Intent, _ words: SharedWords, at start: Int) {
    let name = put(intent.name, words, at: start + Self.name)
    let newName = put(intent.newName, words, at: start + Self.newName)
    words[start + 1] =
      UInt64(intent.operation.rawValue) | UInt64(intent.type.rawValue) << 8 | UInt64(name) << 24
      | UInt64(newName) << 40
    words[start + 2] = intent.size
    words[start + 3] = intent.length
    put(intent.file, words, at: start + file)
    put(intent.other, words, at: start + other)
  }

  static func read(_ words: SharedWords, at start: Int) -> Intent? {
    let head = words[start + 1]
    guard let operation = Intent.Operation(rawValue: UInt8(head & 0xff)) else { return nil }
    return Intent(
      operation, type: FileType(rawValue: CInterop.Mode(head >> 8 & 0xffff)),
      name: name(words, at: start + name, Int(head >> 24 & 0xffff)),
      newName: name(words, at: start + newName, Int(head >> 40 & 0xffff)),
      file: handle(words, at: start + file), other: handle(words, at: start + other),
      size: words[start + 2], length: words[start + 3])
  }

  /// Writes a name, and returns its length in bytes.
  private static func put(_ name: FilePath, _ words: SharedWords, at start: Int) -> Int {
    let bytes = name.bytes.prefix(nameBytes)
    for i in 0..<((bytes.count + 7) / 8) { words[start + i] = bytes.word(8 * i) }
    return bytes.count
  }

  private static func name(_ words: SharedWords, at start: Int, _ length: Int) -> FilePath {
    FilePath(
      bytes: (0..<min(length, nameBytes)).map { words[start + ($0 >> 3)][byte: $0] })
  }

  private static func put(_ handle: KernelFileHandle?, _ words: SharedWords, at start: Int) {
    guard let handle else { return words[start] = 0 }
    words[start] = UInt64(UInt32(bitPattern: handle.type.rawValue)) | UInt64(handle.length) << 32
    for i in 0..<handle.wordCount { words[start + 1 + i] = handle.words[i] }
  }

  private static func handle(_ words: SharedWords, at start: Int) -> KernelFileHandle? {
    let length = Int(words[start] >> 32)
    guard (1...KernelFileHandle.maximumLength).contains(length) else { return nil }
    var bytes = InlineArray<16, UInt64>(repeating: 0)
    for i in 0..<((length + 7) / 8) { bytes[i] = words[start + 1 + i] }
    let type = HandleType(rawValue: Int32(truncatingIfNeeded: words[start]))
    return KernelFileHandle(type: type, length: length, words: bytes)
  }
}
