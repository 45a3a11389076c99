/// A fault that ``Store/check(at:findings:)`` found.
public struct Finding: Hashable, Sendable {
  /// What a fault concerns.
  public enum Kind: String, Sendable, CaseIterable {
    /// The file `state` cannot be read, or does not belong to the data.
    case state
    /// A meta page of `data.mdb`, or the whole file, is missing, foreign or cut short.
    case file
    /// A page is not what the page above it says.
    case page
    /// A page has two uses, or none.
    case pageUse
    /// A table is missing, or does not hold as many entries as its record says.
    case table
    /// A node's record is not intact.
    case record
    /// A node's id was never handed out.
    case nodeID
    /// The index does not agree with the nodes and aliases, or an alias is not intact.
    case index
    /// A spilled handle is missing or wrong, or belongs to no node.
    case spill
    /// A filesystem's record is not intact, or a node's filesystem has no record.
    case filesystem
    /// A watch is not intact, its node is missing, or limbo and the watches disagree.
    case watch
    /// A row of the table `places`, which names a further parent of a file, is not intact.
    case place
  }

  /// What the fault concerns.
  public let kind: Kind
  /// The page of `data.mdb` where the check saw the fault, if there is one. Page 0 is the first of
  /// the file.
  public let page: Int?
  /// The node that the fault concerns, if there is one.
  public let node: NodeID?
  /// A plain sentence that says what is wrong, and where.
  public let description: String

  init(_ kind: Kind, page: Int? = nil, node: NodeID? = nil, _ description: String) {
    self.kind = kind
    self.page = page
    self.node = node
    self.description = description
  }
}

extension Finding: CustomStringConvertible {}
