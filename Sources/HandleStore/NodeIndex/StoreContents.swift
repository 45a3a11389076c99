/// What a store has besides its nodes and its small files, for a copy of it in another engine.
package struct StoreContents: Sendable {
  /// The store's number, which its small files carry.
  package var number: UInt64
  package var incarnation: UInt32
  /// No id at or above this has been handed out.
  package var idBound: UInt64
  package var filesystems: [FilesystemID: KnownFilesystem]
  package var limbo: [LimboNode]
  /// Whether limbo overflowed, and nobody was told yet.
  package var hasOverflowed: Bool

  package init(
    number: UInt64, incarnation: UInt32, idBound: UInt64,
    filesystems: [FilesystemID: KnownFilesystem], limbo: [LimboNode], hasOverflowed: Bool
  ) {
    (self.number, self.incarnation, self.idBound) = (number, incarnation, idBound)
    (self.filesystems, self.limbo, self.hasOverflowed) = (filesystems, limbo, hasOverflowed)
  }
}

/// A node with all that belongs to it, for a copy of it in another engine.
package struct WholeNode: Sendable {
  /// The `st_ino` of a live node's file with an opaque handle, and whether it is the node's hint: a later
  /// node may have it.
  package typealias Inode = (number: UInt64, isHint: Bool)

  package let id: NodeID
  package let record: Record
  package let handle: KernelFileHandle
  package let inode: Inode?
  package let furtherParents: [NodeID]
  package let aliases: [Alias]
  package let watches: [Watch]

  package init(
    _ id: NodeID, _ record: Record, _ handle: KernelFileHandle, inode: Inode?,
    furtherParents: [NodeID], aliases: [Alias], watches: [Watch]
  ) {
    (self.id, self.record, self.handle, self.inode) = (id, record, handle, inode)
    (self.furtherParents, self.aliases, self.watches) = (furtherParents, aliases, watches)
  }
}

/// Some nodes, in the order of their ids, and where to continue.
package struct WholeNodePage: Sendable {
  package let nodes: [WholeNode]
  package let next: NodeID?

  package init(nodes: [WholeNode], next: NodeID?) { (self.nodes, self.next) = (nodes, next) }
}
