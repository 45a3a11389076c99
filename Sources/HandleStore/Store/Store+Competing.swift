internal import SystemPackage

/// An inode has one generation at a time. If a file comes whose inode the store knows under another
/// generation, the kernel says which of the two is there.
extension Store {
  /// Whether a node that competes with a candidate for its inode still has its file.
  ///
  /// - Throws: ``StoreError/staleHandle(_:)`` if it is the candidate that is gone.
  func keepsFile(
    _ competitor: NodeID, against candidate: Candidate, _ entry: IndexEntry,
    on filesystem: FilesystemID
  ) throws -> Bool {
    guard let isThere = try isThere(candidate.handle, candidate.status.type, on: filesystem) else {
      return false
    }
    // One inode, so not both.
    if isThere && !entry.isOpaque { return false }
    guard let node = try find(competitor), node.state != .stale,
      try self.isThere(node.handle, node.type, on: filesystem) ?? false
    else { return false }
    guard isThere else { throw StoreError.staleHandle(candidate.handle) }
    return true
  }

  /// Whether a handle opens a file of a type; `nil` if the kernel cannot be asked, because the filesystem
  /// is not attached or this process may not open handles. Then who comes last is believed.
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
