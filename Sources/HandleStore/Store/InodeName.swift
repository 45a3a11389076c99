/// One generation of an inode, as a file handle names it.
public struct InodeName: Hashable, Sendable {
  /// Its number; on overlayfs that in the layer.
  public let number: UInt64
  /// What the filesystem changes when it uses the number again.
  public let generation: UInt32
}

extension Store {
  /// The inode that a node's handle names.
  ///
  /// - Returns: `nil` where the layout of the filesystem's handles is not known to this library, and
  ///   where another process introduced the filesystem since this store was opened.
  /// - Complexity: O(1), no system call.
  public func inode(of node: Node) -> InodeName? {
    guard let magic = try? filesystems.magic(node.filesystem),
      let identity = node.handle.identity(on: magic),
      let number = node.handle.inodeNumber(on: magic)
    else { return nil }
    return InodeName(number: number, generation: identity.generation)
  }
}
