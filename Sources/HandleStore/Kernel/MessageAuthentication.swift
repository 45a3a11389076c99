internal import CHandleSys

/// A key for SipHash-2-4 with 128 bits of output (`crypto_shorthash_siphashx24` of libsodium). A
/// code under a key cannot be made without that key.
struct AuthenticationKey: Sendable {
  static let length = 16

  private let words: InlineArray<2, UInt64>

  /// Returns a new random key.
  static func random() -> AuthenticationKey {
    var generator = SystemRandomNumberGenerator()
    return AuthenticationKey(words: [generator.next(), generator.next()])
  }

  private init(words: InlineArray<2, UInt64>) { self.words = words }

  /// Creates a key from its 16 bytes.
  init?(bytes: [UInt8]) {
    guard bytes.count == Self.length else { return nil }
    var words: InlineArray<2, UInt64> = [0, 0]
    for i in bytes.indices { words[byte: i] = bytes[i] }
    self.words = words
  }

  var bytes: [UInt8] { AuthenticationCode(words: words).bytes }

  /// Returns the code of the first `count` bytes.
  func code(of bytes: [UInt8], count: Int) -> AuthenticationCode {
    precondition(count <= bytes.count, "a code is made of bytes that are there")
    var key = words
    var out: InlineArray<2, UInt64> = [0, 0]
    unsafe withUnsafeBytes(of: &key) { key in
      unsafe withUnsafeMutableBytes(of: &out) { out in
        unsafe hsys_mac(
          bytes, count, key.baseAddress?.assumingMemoryBound(to: UInt64.self),
          out.baseAddress?.assumingMemoryBound(to: UInt64.self))
      }
    }
    return AuthenticationCode(words: out)
  }
}

/// A code of 128 bits that shows whether bytes are the ones it was made for.
struct AuthenticationCode {
  static let length = 16

  fileprivate let words: InlineArray<2, UInt64>

  fileprivate init(words: InlineArray<2, UInt64>) { self.words = words }

  var bytes: [UInt8] { (0..<Self.length).map { words[byte: $0] } }

  /// Returns whether the bytes from `start` on are this code. Takes the same time wherever they
  /// differ.
  func stands(in other: [UInt8], at start: Int) -> Bool {
    precondition(start >= 0 && start + Self.length <= other.count, "a code has 16 bytes")
    return unsafe other.withUnsafeBytes { bytes in
      let first = unsafe bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)
      let second = unsafe bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self)
      return (first ^ words[0]) | (second ^ words[1]) == 0
    }
  }
}
