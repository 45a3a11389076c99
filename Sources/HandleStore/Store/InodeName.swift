/// One generation of an inode, as a file handle names it.
public struct InodeName: Hashable, Sendable {
  /// The inode's number; on overlayfs its number in the layer.
  public let number: UInt64
  /// What the filesystem changes when it reuses the number.
  public let generation: UInt32
}

extension Store {
  /// Returns the inode that a node's handle names.
  ///
  /// - Returns: `nil` if this library does not know the layout of the filesystem's handles, or if
  ///   another process introduced the filesystem after this store was opened.
  /// - Complexity: O(1), no system call.
  public func inode(of node: Node) -> InodeName? {
    guard let magic = try? filesystems.magic(node.filesystem),
      let identity = node.handle.identity(on: magic),
      let number = node.handle.inodeNumber(on: magic)
    else { return nil }
    return InodeName(number: number, generation: identity.generation)
  }
}
