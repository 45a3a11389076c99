public import SystemPackage

/// What the store knows of a node.
public struct Node: Sendable {
  /// The node's id.
  public let id: NodeID
  private let record: Record
  /// The handle, if the record has no room for it.
  private let spilled: Boxed?

  /// Keeps the handle off the stack, because most nodes have none here.
  private final class Boxed: Sendable {
    let handle: KernelFileHandle
    init(_ handle: KernelFileHandle) { self.handle = handle }
  }

  /// Makes a node whose handle is in its record; `nil` if the handle is spilled.
  package init?(_ id: NodeID, _ record: Record) {
    guard !record.isSpilled else { return nil }
    self.id = id
    self.record = record
    spilled = nil
  }

  /// Makes a node whose handle is spilled.
  package init(_ id: NodeID, _ record: Record, spilled: KernelFileHandle) {
    self.id = id
    self.record = record
    self.spilled = Boxed(spilled)
  }

  /// The filesystem that the node's file is on.
  public var filesystem: FilesystemID { record.filesystem }
  /// Whether the node's file can still be requested.
  public var state: NodeState { record.state ?? .stale }
  /// The file's type.
  public var type: FileType { record.type }
  /// The node of the directory in which the file was found, if known.
  public var parent: NodeID? { record.parent }
  /// When the node entered its state, in seconds since 1970.
  public var since: UInt32 { record.since }

  /// The file's handle.
  public var handle: KernelFileHandle { spilled?.handle ?? record.handleBytes }

  /// Whether the node entered its state at least `age` seconds before `now`.
  func isOlder(than age: UInt32, at now: UInt32) -> Bool { record.isOlder(than: age, at: now) }
}

/// Some of a store's nodes, in the order of their ids.
public struct NodePage: Sendable {
  /// The nodes.
  public let nodes: [Node]
  /// The id at which to continue; `nil` at the end.
  public let next: NodeID?

  package init(nodes: [Node], next: NodeID?) { (self.nodes, self.next) = (nodes, next) }
}
