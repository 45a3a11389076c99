internal import SystemPackage

/// Walks up past what is mounted in the subtree, or over its root.
///
/// On a private mount nothing is in the way. On a mount that others use, something may be mounted
/// on the directory above. Then `..` leads into that mount, and the directory itself, which the
/// mount covers, cannot be reached. But `..` from there leads to the mount that holds the mount
/// point, so the walk goes on. It has to find out in another way whether the directory that it
/// passed is the root: it looks up, in the root, the name of the directory that it came from.
extension Subtree {
  /// What is above a directory.
  enum Above {
    case directory(OwnedDescriptor)
    case root
    /// The mount ends, or the directory is not below its root.
    case nothing
  }

  func next(above directory: OwnedDescriptor, _ status: FullStatus) throws -> Above {
    if let above = try WayUp.above(directory) { return .directory(above) }
    guard !isPrivate, status.mount == rootStatus.mount else { return .nothing }
    do throws(Errno) {
      return try past(directory, status)
    } catch {
      throw StoreError(error, "looking up the parent directory")
    }
  }

  /// Walks up through other mounts until one of them ends in the root's mount.
  private func past(
    _ directory: OwnedDescriptor, _ status: FullStatus
  ) throws(Errno) -> Above {
    var (below, status) = (directory, status)
    while true {
      if rootHas(below, status) { return .root }
      let next = OwnedDescriptor(
        try SystemCalls.open("..", in: below.descriptor, flags: SystemCalls.path))
      let found = try FullStatus(of: next.descriptor)
      if found.mount == rootStatus.mount { return .directory(next) }
      // `..` of the topmost directory is that directory.
      if found.isSame(as: status) { return .nothing }
      (below, status) = (next, found)
    }
  }

  private func rootHas(_ directory: OwnedDescriptor, _ status: FullStatus) -> Bool {
    Self.has(root, rootStatus, child: directory, wanted: status)
  }

  /// Returns whether a directory contains another one, under the name by which the kernel knows
  /// that one.
  func has(_ directory: OpenedFile, child: OpenedFile) -> Bool {
    Self.has(
      directory.descriptor, directory.fullStatus, child: child.descriptor,
      wanted: child.fullStatus)
  }

  /// Returns whether a directory contains another one, or the directory on which that one is
  /// mounted.
  private static func has(
    _ directory: OwnedDescriptor, _ status: FullStatus, child: OwnedDescriptor,
    wanted: FullStatus
  ) -> Bool {
    guard let name = try? KernelPath(of: child.descriptor).name else { return false }
    let found = try? FullStatus(directory.descriptor, name)
    if found?.isSame(as: wanted) ?? false { return true }
    // Something may be mounted on the other directory too. The listing still has the entry below
    // that mount.
    return status.mount == wanted.mount && status.file.device == wanted.file.device
      && lists(directory, name: name, inode: wanted.file.inode)
  }

  private static func lists(
    _ directory: OwnedDescriptor, name: FilePath, inode: UInt64
  ) -> Bool {
    guard
      let list = try? OwnedDescriptor(
        SystemCalls.open(".", in: directory.descriptor, flags: SystemCalls.directory))
    else { return false }
    var entries = DirectoryEntries(of: list.descriptor)
    while let entry = try? entries.read(where: { $0.inode == inode }) {
      if entry.name == name { return true }
    }
    return false
  }
}

extension FullStatus {
  /// Whether both are of the same file, reached through the same mount.
  fileprivate func isSame(as other: FullStatus) -> Bool {
    file.isOfSameFile(as: other.file) && mount == other.mount
  }
}
