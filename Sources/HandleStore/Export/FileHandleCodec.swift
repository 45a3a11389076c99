/// The largest file handle that one side of a FUSE connection takes, as it is told to the other side when
/// they begin (`LOOKUP_HANDLE`): a version and a number of bytes.
///
/// Both sides tell theirs, and both go by ``agreed(with:)``.
public struct HandleLimit: Hashable, Sendable {
  /// The version of the layout of handles; there is 1.
  public let version: UInt16
  /// The most bytes of a handle; 0 for no handles at all.
  public let size: UInt16

  /// What a side takes.
  public init(version: UInt16 = 1, size: UInt16) {
    self.version = version
    self.size = size
  }

  /// No handles.
  public static let off = HandleLimit(size: 0)
  /// The most that a token needs.
  public static let largest = HandleLimit(size: UInt16(Token.maximumLength))

  /// What both sides take: the lower version, and the smaller size.
  public func agreed(with other: HandleLimit) -> HandleLimit {
    let size = min(size, other.size)
    let version = min(version, other.version)
    guard version >= 1 && size >= Token.referenceLength else { return .off }
    return HandleLimit(version: version, size: size)
  }

  /// The limit of 32 bits: the version in the upper half, as it goes over the wire.
  public var rawValue: UInt32 { UInt32(version) << 16 | UInt32(size) }

  /// The limit of 32 bits from the wire.
  public init(rawValue: UInt32) {
    self.init(version: UInt16(rawValue >> 16), size: UInt16(truncatingIfNeeded: rawValue))
  }
}

extension Export {
  /// The token for a node that both sides take: by value where it fits, else by reference.
  ///
  /// - Parameters:
  ///   - node: as for ``token(for:form:)``.
  ///   - limit: what was agreed.
  /// - Returns: `nil` where no handles were agreed on.
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

/// A token as `struct fuse_file_handle` on the wire of FUSE: like `struct file_handle`
/// (`open_by_handle_at(2)`), the number of bytes and the type in 32 bits each, in the order of the host,
/// and the bytes.
public struct FileHandleCodec: Sendable {
  /// The type that says: a token of this library.
  public static let tokenType: UInt32 = 0x48
  /// The bytes before those of the handle.
  public static let headerLength = 8

  /// What was agreed.
  public let limit: HandleLimit

  /// A codec for what was agreed.
  public init(limit: HandleLimit) { self.limit = limit }

  /// The token with its header.
  ///
  /// - Throws: ``StoreError/tokenTooLong(_:limit:)``; it is never cut.
  public func encode(_ token: Token) throws(StoreError) -> [UInt8] {
    guard token.bytes.count <= Int(limit.size) else {
      throw .tokenTooLong(token.bytes.count, limit: Int(limit.size))
    }
    return Self.word(UInt32(token.bytes.count)) + Self.word(Self.tokenType) + token.bytes
  }

  /// The token at the beginning of some bytes, and how many it took; it may be followed by others.
  ///
  /// - Throws: ``StoreError/refused(_:)`` with ``GateRefusal/length`` or ``GateRefusal/handleType``.
  public func decode(_ bytes: some Collection<UInt8>) throws(StoreError) -> (Token, length: Int) {
    let head = Array(bytes.prefix(Self.headerLength))
    guard head.count == Self.headerLength else { throw .refused(.length) }
    let size = Self.number(head[..<4])
    guard size >= 1, size <= UInt32(limit.size) else { throw .refused(.length) }
    guard Self.number(head[4...]) == Self.tokenType else { throw .refused(.handleType) }
    let body = Array(bytes.dropFirst(Self.headerLength).prefix(Int(size)))
    guard body.count == Int(size) else { throw .refused(.length) }
    return (Token(bytes: body), Self.headerLength + body.count)
  }

  private static func word(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32($0 * 8)) }
  }

  private static func number(_ bytes: some Collection<UInt8>) -> UInt32 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }
}
