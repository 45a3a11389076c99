/// Bytes that name a file to a server, and that the server signed with a key (Docs/Format.md). The
/// server need not remember the token: a client keeps it and sends it back, but cannot make or change
/// one.
///
/// A token is not a permission. The server decides who may do what with the file.
public struct Token: Hashable, Sendable {
  /// The bytes that go over the wire: 32 by reference, at most 128 by value.
  public let bytes: [UInt8]

  /// Wraps what a client sent. ``Export`` checks whether it is a token.
  public init(bytes: [UInt8]) { self.bytes = bytes }

  /// The most bytes that a token can have. NFSv4 allows as many for a file handle.
  public static let maximumLength = 128
  /// The most bytes that NFSv3 allows for a file handle: enough for tokens of all handles of at
  /// most 32 bytes.
  public static let nfs3Length = 64
  /// How many bytes a token by reference has.
  public static let referenceLength = 32
}

extension Token: CustomStringConvertible {
  /// The bytes in hexadecimal.
  public var description: String { Hexadecimal.string(bytes) }
}

/// What a token says, before anything is checked.
///
/// ```
/// byte 0      version
/// byte 1      layer 4 | file type 4
/// byte 2      key
/// byte 3      handle type; 0 without a handle
/// byte 4…7    export
/// byte 8…15   node
/// byte 16…    the handle, of 0 to 96 bytes
/// the last 16 the signature
/// ```
struct TokenFields: Equatable {
  static let version: UInt8 = 1
  private static let headerLength = 16
  /// The longest handle that fits into a token.
  static let longestHandle = Token.maximumLength - length(handle: 0)

  var key: UInt8
  var layer: UInt8
  /// `st_mode >> 12`.
  var fileType: UInt8
  var export: UInt32
  var node: NodeID
  /// `nil` in a token by reference.
  var handle: KernelFileHandle?

  /// Returns the length of a token with a handle of `handle` bytes.
  static func length(handle: Int) -> Int { headerLength + handle + AuthenticationCode.length }
}

extension TokenFields {
  /// Returns whether the type in the bytes of a token is one that a handle can have, or 0 if the token
  /// has no handle.
  static func hasPossibleType(_ bytes: [UInt8]) -> Bool {
    let type = HandleType(rawValue: Int32(bytes[3]))
    return bytes.count == length(handle: 0) ? type.rawValue == 0 : type.canBeOpened
  }

  /// Reads the fields of a token whose length and version the gate has checked. Do not trust them
  /// before ``isSigned(_:_:store:)``.
  init(_ bytes: [UInt8]) {
    let end = bytes.count - AuthenticationCode.length
    (key, layer, fileType) = (bytes[2], bytes[1] >> 4, bytes[1] & 15)
    export = UInt32(bytes.uint32(at: 4))
    node = NodeID(rawValue: bytes.uint64(at: 8))
    handle = KernelFileHandle(
      type: HandleType(rawValue: Int32(bytes[3])), bytes: bytes, in: Self.headerLength..<end)
  }

  /// Returns whether the token was signed under a key. A token by reference is valid only for the
  /// store that signed it.
  static func isSigned(_ bytes: [UInt8], _ key: AuthenticationKey, store: UInt64) -> Bool {
    let end = bytes.count - AuthenticationCode.length
    return code(of: bytes, upTo: end, under: key, store: store).stands(in: bytes, at: end)
  }

  private static func code(
    of bytes: [UInt8], upTo end: Int, under key: AuthenticationKey, store: UInt64
  ) -> AuthenticationCode {
    guard end == headerLength else { return key.code(of: bytes, count: end) }
    var bound = Array(bytes[..<end])
    bound.append(littleEndian: store)
    return key.code(of: bound, count: bound.count)
  }

  /// Returns the signed token.
  func signed(_ key: AuthenticationKey, store: UInt64) -> Token {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.length(handle: handle?.length ?? 0))
    bytes.append(Self.version)
    bytes.append(layer << 4 | fileType)
    bytes.append(self.key)
    bytes.append(UInt8(truncatingIfNeeded: handle?.type.rawValue ?? 0))
    bytes.append(littleEndian: export)
    bytes.append(littleEndian: node.rawValue)
    if let handle {
      for i in 0..<handle.length { bytes.append(handle[i]) }
    }
    bytes += Self.code(of: bytes, upTo: bytes.count, under: key, store: store).bytes
    return Token(bytes: bytes)
  }
}

extension HandleType {
  /// Whether a filesystem may have made a handle of this type. Types are one-byte numbers;
  /// `FILEID_ROOT` and `FILEID_INVALID` stand for no handle.
  var canBeOpened: Bool { (1...0xfe).contains(rawValue) }
}
