/// The id of a node: minted once, and never for another file.
///
/// 1 stands for an export's root and 0 for none; what the store mints starts at 2.
public struct NodeID: RawRepresentable, Hashable, Comparable, Sendable {
  /// The number, as it goes on the wire.
  public let rawValue: UInt64

  /// The id of a number from the wire; whether a node has it is for the store to say.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The id of an export's root.
  public static let root = NodeID(rawValue: 1)
  /// No node.
  static let none = NodeID(rawValue: 0)
  /// The first id that a store mints.
  static let first = NodeID(rawValue: 2)

  /// Ids grow with the time of minting.
  public static func < (a: NodeID, b: NodeID) -> Bool { a.rawValue < b.rawValue }
}

/// The store's own number for one filesystem, 1…0x7fff.
public struct FilesystemID: RawRepresentable, Hashable, Comparable, Sendable {
  /// The number.
  public let rawValue: UInt16

  /// The id of a number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The largest number; the bit above marks the index keys of opaque handles.
  static let maximum: UInt16 = 0x7fff

  /// By number.
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
