public import SystemPackage

/// What the store knows of a node.
public struct Node: Sendable {
  /// The node's id.
  public let id: NodeID
  private let record: Record
  /// The handle, where it does not stand in the record.
  private let spilled: Boxed?

  /// Off the stack: most nodes have none.
  private final class Boxed: Sendable {
    let handle: KernelFileHandle
    init(_ handle: KernelFileHandle) { self.handle = handle }
  }

  /// A node whose handle stands in its record.
  init?(_ id: NodeID, _ record: Record) {
    guard !record.isSpilled else { return nil }
    self.id = id
    self.record = record
    spilled = nil
  }

  /// A node whose handle is spilled.
  init(_ id: NodeID, _ record: Record, spilled: KernelFileHandle) {
    self.id = id
    self.record = record
    self.spilled = Boxed(spilled)
  }

  /// The filesystem that its file is on.
  public var filesystem: FilesystemID { record.filesystem }
  /// Whether its file can still be asked for.
  public var state: NodeState { record.state ?? .stale }
  /// The file's type.
  public var type: FileType { record.type }
  /// The node of the directory in which the file was found, where that is known; of an alias, the node
  /// that it stands for.
  public var parent: NodeID? { record.parent }
  /// When the node entered its state, in seconds since 1970.
  public var since: UInt32 { record.since }
  /// Whether the handle stands in the spill table rather than in the record.
  public var isSpilled: Bool { spilled != nil }

  /// The file's handle.
  public var handle: KernelFileHandle { spilled?.handle ?? record.handleBytes }
}
