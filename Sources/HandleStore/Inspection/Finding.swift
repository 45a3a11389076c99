/// One thing that ``Store/check(at:findings:)`` found wrong.
public struct Finding: Hashable, Sendable {
  /// What is wrong, by what it concerns.
  public enum Kind: String, Sendable, CaseIterable {
    /// The file `state` cannot be read, or does not belong to the data.
    case state
    /// A meta page of `data.mdb`, or the file as a whole: missing, foreign or cut short.
    case file
    /// A page is not what the page above it says.
    case page
    /// A page has two uses, or none.
    case pageUse
    /// A table does not hold as much as it says, or is not there.
    case table
    /// A node's record is not intact.
    case record
    /// A node's id was never handed out.
    case nodeID
    /// The index and the nodes do not agree.
    case index
    /// A spilled handle is missing, wrong, or nobody's.
    case spill
    /// A filesystem's record is not intact, or there is none for a node.
    case filesystem
    /// A watch is not intact, or its node is not there, or limbo and the watches do not agree.
    case watch
    /// A row that says where else a file has a name is not intact.
    case place
  }

  /// What is wrong.
  public let kind: Kind
  /// The page of `data.mdb` where that was seen, where there is one: 0 is the file's first.
  public let page: Int?
  /// The node that it concerns, where there is one.
  public let node: NodeID?
  /// What is wrong and where, in plain words.
  public let description: String

  init(_ kind: Kind, page: Int? = nil, node: NodeID? = nil, _ description: String) {
    self.kind = kind
    self.page = page
    self.node = node
    self.description = description
  }
}

extension Finding: CustomStringConvertible {}
