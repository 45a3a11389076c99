public import SystemPackage

/// What the store knows of a node.
public struct Node: Sendable {
  /// The node's id.
  public let id: NodeID
  /// The filesystem that its file is on.
  public let filesystem: FilesystemID
  /// Whether its file can still be asked for.
  public let state: NodeState
  /// The file's handle.
  public let handle: KernelFileHandle
  /// The file's type.
  public let type: FileType
  /// The node of the directory in which the file was found, where that is known.
  public let parent: NodeID?
  /// When the node entered its state, in seconds since 1970.
  public let since: UInt32

  /// Whether the handle stands in the spill table rather than in the record.
  public var isSpilled: Bool { handle.length > Record.inlineLimit }

  init(_ id: NodeID, _ record: Record, _ handle: KernelFileHandle) {
    self.id = id
    filesystem = record.filesystem
    state = record.state ?? .stale
    self.handle = handle
    type = record.type
    parent = record.parent
    since = record.since
  }
}
