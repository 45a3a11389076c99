internal import SystemPackage

/// An inode has only one generation at a time. If the store knows a candidate's inode under another
/// generation, the kernel says which of the two files exists.
extension Store {
  /// Returns whether a node that competes with a candidate for its inode still has its file.
  ///
  /// - Throws: ``StoreError/staleHandle(_:)`` if the node has its file and the candidate's file is
  ///   gone.
  func keepsFile(
    _ competitor: NodeID, against candidate: Candidate, _ entry: IndexEntry,
    on filesystem: FilesystemID
  ) throws -> Bool {
    guard let isThere = try isThere(candidate.handle, candidate.status.type, on: filesystem) else {
      return false
    }
    // Both have the same inode, so only one can exist.
    if isThere && !entry.isOpaque { return false }
    guard let node = try find(competitor), node.state != .stale,
      try self.isThere(node.handle, node.type, on: filesystem) ?? false
    else { return false }
    guard isThere else { throw StoreError.staleHandle(candidate.handle) }
    return true
  }

  /// Returns whether a handle opens a file of a type. Returns `nil` if the kernel cannot be asked,
  /// because the filesystem is not attached or this process may not open handles. Then the store
  /// believes the candidate, which came last.
  private func isThere(
    _ handle: KernelFileHandle, _ type: FileType, on filesystem: FilesystemID
  ) throws -> Bool? {
    guard let (mount, magic) = try? filesystems.mount(filesystem) else { return nil }
    do throws(Errno) {
      let file = OwnedDescriptor(try open(handle, .path, on: mount, magic))
      return try FileStatus(of: file.descriptor).type == type
    } catch .staleHandle {
      try requireAnswer(mount)
      return false
    } catch .notPermitted {
      return nil
    } catch {
      throw StoreError(error, "opening handle \(handle)")
    }
  }
}
