/// The result of a registration.
public struct Registration: Hashable, Sendable {
  /// How the file got its node.
  public enum Outcome: Hashable, Sendable {
    /// This registration minted the node.
    case created
    /// The file already had the node.
    case existing
    /// The inode number was known under another generation. The node is new; the old node, named
    /// here, is stale from now on. Invalidate the old one before you answer with the new one.
    case replaced(NodeID)
    /// The file is gone, and its inode belongs to another file, whose node was left alone. Only a
    /// batch has this outcome: there is no node, and ``Registration/node`` is 0. A single
    /// registration throws ``StoreError/staleHandle(_:)``.
    case stale
  }

  /// The file's node.
  public let node: NodeID
  /// The generation that goes on the wire with the node's id: the store's incarnation.
  public let generation: UInt32
  /// How the file got its node.
  public let outcome: Outcome

  package init(node: NodeID, generation: UInt32, outcome: Outcome) {
    (self.node, self.generation, self.outcome) = (node, generation, outcome)
  }

  /// The result for a file that is gone.
  package static func stale(generation: UInt32) -> Registration {
    Registration(node: .none, generation: generation, outcome: .stale)
  }
}
