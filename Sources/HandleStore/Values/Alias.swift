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
}

/// The aliases of some nodes, in the order of the nodes' ids.
struct AliasPage: Sendable {
  /// All aliases of these nodes.
  let aliases: [Alias]
  /// The id at which to continue; `nil` at the end.
  let next: NodeID?
}
