/// A kernel file handle: a type and 1…128 bytes that name one generation of one inode on one
/// filesystem (`struct file_handle`, `name_to_handle_at(2)`).
///
/// A handle has a fixed size and no storage of its own on the heap, so copying one never allocates.
public struct KernelFileHandle: Sendable {
  /// The most bytes that a handle can have: `MAX_HANDLE_SZ` of `<linux/exportfs.h>`.
  public static let maximumLength = 128

  /// The layout of the bytes. Flag bits are cleared.
  public let type: HandleType
  /// The number of bytes, 1…128.
  public let length: Int
  /// The bytes, little-endian, zero from ``length`` on.
  package var words: InlineArray<16, UInt64>

  /// Creates a handle from its parts.
  ///
  /// - Parameters:
  ///   - type: the type; flag bits (0x10000 up) are cleared.
  ///   - bytes: the bytes, as the kernel or a client gave them.
  /// - Returns: `nil` if there are no bytes or more than 128.
  /// - Complexity: O(bytes)
  public init?(type: HandleType, bytes: [UInt8]) {
    self.init(type: type, bytes: bytes, in: bytes.indices)
  }

  /// Creates a handle from bytes in the caller's buffer; the array initializer makes the same.
  ///
  /// - Returns: `nil` if there are no bytes or more than 128.
  /// - Complexity: O(bytes); allocates nothing.
  public init?(type: HandleType, bytes: Span<UInt8>) {
    guard (1...Self.maximumLength).contains(bytes.count) else { return nil }
    var words = InlineArray<16, UInt64>(repeating: 0)
    unsafe withUnsafeMutableBytes(of: &words) { room in
      unsafe bytes.withUnsafeBytes { unsafe room.copyMemory(from: $0) }
    }
    self.init(type: type, length: bytes.count, words: words)
  }

  /// Creates a handle from a range of `bytes`; `nil` if the range is empty or longer than 128.
  init?(type: HandleType, bytes: [UInt8], in range: Range<Int>) {
    self.init(type: type, bytes: bytes.span.extracting(range))
  }

  /// Creates a handle from words that are already zero after `length` bytes.
  package init(type: HandleType, length: Int, words: InlineArray<16, UInt64>) {
    self.type = type.withoutFlags
    self.length = length
    self.words = words
  }

  /// The byte at `index`, 0 ≤ `index` < ``length``; 0 for any other index.
  public subscript(index: Int) -> UInt8 {
    guard index >= 0 && index < length else { return 0 }
    return words[byte: index]
  }

  /// A copy of the bytes, in an array of its own. To allocate nothing, use ``copyBytes(into:)``.
  public var bytes: [UInt8] { (0..<length).map { self[$0] } }

  /// Copies the bytes into the caller's buffer, as many as it has room for.
  ///
  /// - Complexity: O(bytes). Any thread.
  public func copyBytes(into buffer: inout MutableSpan<UInt8>) {
    let count = min(length, buffer.count)
    unsafe buffer.withUnsafeMutableBytes { room in
      unsafe withUnsafeBytes(of: words) {
        unsafe room.copyMemory(from: .init(rebasing: $0[..<count]))
      }
    }
  }

  /// The number of words that hold bytes.
  var wordCount: Int { (length + 7) / 8 }
}

extension KernelFileHandle: Hashable {
  /// Returns whether type and bytes are the same. A plain and a connectable handle of one file are
  /// not equal.
  public static func == (a: KernelFileHandle, b: KernelFileHandle) -> Bool {
    guard a.type == b.type && a.length == b.length else { return false }
    for i in 0..<a.wordCount where a.words[i] != b.words[i] { return false }
    return true
  }

  /// Hashes type and bytes.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(type)
    hasher.combine(length)
    for i in 0..<wordCount { hasher.combine(words[i]) }
  }
}

extension KernelFileHandle: CustomStringConvertible {
  /// The bytes in hexadecimal, two digits a byte, without separators.
  public var hexadecimal: String { Hexadecimal.string(bytes) }

  /// The type's name, a colon, and the bytes in hexadecimal.
  public var description: String { "\(type):\(hexadecimal)" }
}
