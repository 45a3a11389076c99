/// The id of a node. A store mints an id once and never uses it again.
///
/// 1 stands for an export's root and 0 for no node; the ids that a store mints start at 2.
public struct NodeID: RawRepresentable, Hashable, Comparable, Sendable {
  /// The number, as it goes on the wire.
  public let rawValue: UInt64

  /// Makes an id from a number, such as one from the wire. Only the store knows whether a node has
  /// it.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The id of an export's root.
  public static let root = NodeID(rawValue: 1)
  /// No node.
  static let none = NodeID(rawValue: 0)
  /// The first id that a store mints.
  static let first = NodeID(rawValue: 2)

  /// Orders ids by number: an id minted later is greater.
  public static func < (a: NodeID, b: NodeID) -> Bool { a.rawValue < b.rawValue }
}

/// The store's own number for one filesystem, 1…0x7fff.
public struct FilesystemID: RawRepresentable, Hashable, Comparable, Sendable {
  /// The number.
  public let rawValue: UInt16

  /// Makes an id from a number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The largest number. The bit above it marks the index keys of opaque handles.
  static let maximum: UInt16 = 0x7fff

  /// Orders ids by number.
  public static func < (a: FilesystemID, b: FilesystemID) -> Bool { a.rawValue < b.rawValue }
}

extension NodeID: CustomStringConvertible {
  /// The number in decimal.
  public var description: String { String(rawValue) }
}

extension FilesystemID: CustomStringConvertible {
  /// The number in decimal.
  public var description: String { String(rawValue) }
}
