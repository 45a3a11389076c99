public import SystemPackage

/// A handle that a node's file had before it was copied up (``Store/copyUp(_:to:on:)``). The handle
/// still leads to the node.
public struct Alias: Hashable, Sendable {
  /// The node.
  public let node: NodeID
  /// The filesystem that the file was on.
  public let filesystem: FilesystemID
  /// The former handle.
  public let handle: KernelFileHandle
  /// The file's type.
  public let type: FileType
  /// When the file was copied up, in seconds since 1970.
  public let since: UInt32

  package init(
    node: NodeID, filesystem: FilesystemID, handle: KernelFileHandle, type: FileType, since: UInt32
  ) {
    (self.node, self.filesystem, self.handle) = (node, filesystem, handle)
    (self.type, self.since) = (type, since)
  }
}

/// The aliases of some nodes, in the order of the nodes' ids.
package struct AliasPage: Sendable {
  /// All aliases of these nodes.
  package let aliases: [Alias]
  /// The id at which to continue; `nil` at the end.
  package let next: NodeID?

  package init(aliases: [Alias], next: NodeID?) { (self.aliases, self.next) = (aliases, next) }
}
