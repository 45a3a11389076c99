/// The largest file handle that one side of a FUSE connection accepts: a version and a number of
/// bytes.
///
/// Each side tells the other its limit when the connection begins (`LOOKUP_HANDLE`), and both keep
/// to ``agreed(with:)``.
public struct HandleLimit: Hashable, Sendable {
  /// The version of the layout of handles. The only one is 1.
  let version: UInt16
  /// The most bytes of a handle; 0 for no handles at all.
  public let size: UInt16

  /// Creates the limit of one side.
  public init(version: UInt16 = 1, size: UInt16) {
    self.version = version
    self.size = size
  }

  /// No handles.
  public static let off = HandleLimit(size: 0)
  /// The limit that fits every token.
  public static let largest = HandleLimit(size: UInt16(Token.maximumLength))

  /// Returns the limit that both sides accept: the lower version and the smaller size, or ``off``
  /// if a token by reference does not fit.
  public func agreed(with other: HandleLimit) -> HandleLimit {
    let size = min(size, other.size)
    let version = min(version, other.version)
    guard version >= 1 && size >= Token.referenceLength else { return .off }
    return HandleLimit(version: version, size: size)
  }

  /// The limit as it goes over the wire: 32 bits, with the version in the upper half.
  public var rawValue: UInt32 { UInt32(version) << 16 | UInt32(size) }

  /// Reads a limit of 32 bits from the wire.
  public init(rawValue: UInt32) {
    self.init(version: UInt16(rawValue >> 16), size: UInt16(truncatingIfNeeded: rawValue))
  }
}

extension Export {
  /// Returns a token for a node that both sides accept: by value if it fits, otherwise by
  /// reference.
  ///
  /// - Parameters:
  ///   - node: as for ``token(for:form:)``.
  ///   - limit: the limit that the two sides agreed on.
  /// - Returns: `nil` if they agreed on no handles.
  /// - Throws: as ``token(for:form:)``.
  public func token(for node: NodeID, within limit: HandleLimit) throws(StoreError) -> Token? {
    guard limit.size >= Token.referenceLength else { return nil }
    do {
      return try token(for: node, form: .value(atMost: Int(limit.size)))
    } catch .tokenTooLong {
      return try token(for: node, form: .reference)
    }
  }
}

/// Encodes a token as `struct fuse_file_handle` on the wire of FUSE. Like `struct file_handle`
/// (`open_by_handle_at(2)`), it has the number of bytes and the type, in 32 bits each and in the
/// host's byte order (little-endian), and then the bytes.
public struct FileHandleCodec: Sendable {
  /// The handle type of a token of this library.
  private static let tokenType: UInt32 = 0x48
  /// How many bytes come before those of the handle.
  private static let headerLength = 8

  private let limit: HandleLimit

  /// Creates a codec for the limit that the two sides agreed on.
  public init(limit: HandleLimit) { self.limit = limit }

  /// Returns the token with its header.
  ///
  /// - Throws: ``StoreError/tokenTooLong(_:limit:)``. A token is never cut.
  public func encode(_ token: Token) throws(StoreError) -> [UInt8] {
    guard token.bytes.count <= Int(limit.size) else {
      throw .tokenTooLong(token.bytes.count, limit: Int(limit.size))
    }
    return UInt32(token.bytes.count).littleEndianBytes + Self.tokenType.littleEndianBytes
      + token.bytes
  }

  /// Returns the token at the beginning of some bytes, and how many of them it takes with its
  /// header. Other data may follow it.
  ///
  /// - Throws: ``StoreError/refused(_:)`` with ``GateRefusal/length`` or
  ///   ``GateRefusal/handleType``.
  public func decode(_ bytes: [UInt8]) throws(StoreError) -> DecodedToken {
    let head = Array(bytes.prefix(Self.headerLength))
    guard head.count == Self.headerLength else { throw .refused(.length) }
    let size = head.uint32(at: 0)
    guard size >= 1, size <= Int(limit.size) else { throw .refused(.length) }
    guard head.uint32(at: 4) == Int(Self.tokenType) else { throw .refused(.handleType) }
    let body = Array(bytes.dropFirst(Self.headerLength).prefix(size))
    guard body.count == size else { throw .refused(.length) }
    return DecodedToken(token: Token(bytes: body), length: Self.headerLength + body.count)
  }
}

/// A token that a message began with.
public struct DecodedToken: Hashable, Sendable {
  /// The token.
  public let token: Token
  /// How many bytes of the message it takes, with its header.
  public let length: Int
}
