internal import SystemPackage

/// Which files are inside. Each answer "inside" is true at one moment between the call and its return,
/// whatever is renamed meanwhile (but see ``Containment/cached``).
extension Subtree {
  /// The file, opened again by a name inside where that was needed; refused where it is outside.
  ///
  /// - Parameter parents: directories in which the file may have a name.
  func requireInside(
    _ file: SubtreeFile, parents: () throws -> [KernelFileHandle]
  ) throws -> SubtreeFile {
    switch containment {
    case .wholeFilesystem: return file
    case .kernel, .walk: return try proveInside(file, parents)
    case .cached:
      guard let verified else { return try proveInside(file, parents) }
      let (isKnown, ticket) = verified.contains(file.handle)
      if isKnown { return file }
      let found = try proveInside(file, parents)
      verified.insert(file.handle, ticket)
      return found
    }
  }

  private func proveInside(
    _ file: SubtreeFile, _ parents: () throws -> [KernelFileHandle]
  ) throws -> SubtreeFile {
    if file.type == .directory {
      guard try isInside(file.descriptor, file.status) else { throw GateRefusal.outside }
      return file
    }
    if place(of: file) == .below { return file }
    if let found = try findByPath(file) { return found }
    // The kernel may know another name, which is inside.
    if findsNames, let named = try opened(file.handle, below: true) {
      if place(of: named) == .below { return named }
      if let found = try findByPath(named) { return found }
    }
    if let known = try findByNames(file) {
      guard let found = known else { throw GateRefusal.outside }
      return found
    }
    for parent in try parents() {
      if let found = try find(file, in: parent) { return found }
    }
    throw GateRefusal.outside
  }

  /// Where a file is on the private mount; `nil` where there is none or the kernel does not tell.
  private func place(of file: SubtreeFile) -> PlaceOnMount? {
    guard asksKernel else { return nil }
    return try? SystemCalls.place(
      of: file.descriptor.descriptor, in: descriptors.descriptor)
  }

  /// The file of a handle, or `nil` where it is gone.
  private func opened(_ handle: KernelFileHandle, below: Bool = false) throws -> SubtreeFile? {
    do {
      return try open(handle, below: below)
    } catch is GateRefusal {
      return nil
    }
  }

  /// Whether a directory is inside.
  ///
  /// On a private mount the kernel says so, at one moment: of a directory that is not below the mount's
  /// root it gives no `..` (`path_connected` in `fs/namei.c`).
  func isInside(_ directory: OwnedDescriptor, _ status: FullStatus) throws -> Bool {
    if isRoot(status) { return true }
    if asksKernel && !isWhole { return try WayUp.above(directory) != nil }
    return try leadsToRoot(directory)
  }

  /// Whether a file that was found under a name in a directory is inside.
  func isInside(
    _ file: SubtreeFile, named name: FilePath, in directory: OwnedDescriptor
  ) throws -> Bool {
    if isRoot(file.status) || containment == .wholeFilesystem { return true }
    switch place(of: file) {
    case .below: return true
    case .rootOrUnknown: return false
    case .nameRemoved, nil: break
    }
    // As with the way up (``WayUp/stood(until:)``): it had the name from the first look to the second,
    // and the directory was inside at a moment between them.
    for _ in 0..<WayUp.attempts {
      let before = try FullStatus(of: file.descriptor.descriptor).changed
      guard try has(directory, name, file),
        try isInside(directory, FullStatus(of: directory.descriptor)),
        try has(directory, name, file)
      else { return false }
      if try FullStatus(of: file.descriptor.descriptor).changed == before { return true }
    }
    throw WayUp.busy
  }
}

// MARK: Names looked up again

extension Subtree {
  private func has(
    _ directory: OwnedDescriptor, _ name: FilePath, _ file: SubtreeFile
  ) throws -> Bool {
    try find(name, in: directory)?.handle.isOfSameFile(as: file.handle, on: magic) ?? false
  }
}

extension Subtree {
  /// The file by the name under which the kernel knows it, if that is inside.
  private func findByPath(_ file: SubtreeFile) throws -> SubtreeFile? {
    guard let path = try? KernelPath(of: file.descriptor.descriptor), let below = below(path),
      let name = below.name,
      let directory = try optional({ () throws(Errno) in
        try SystemCalls.open(below.directory, in: root.descriptor, flags: SystemCalls.path)
      }).map({ OwnedDescriptor($0) })
    else { return nil }
    return try confirm(file, name, in: directory)
  }

  /// What follows the root's path in a path that the kernel gave; `nil` if that is elsewhere. To be looked
  /// up from the root on: something may be mounted over the root.
  private func below(_ path: KernelPath) -> KernelPath? {
    guard !isPrivate else { return path }
    return (try? KernelPath(of: root.descriptor)).flatMap { path.below($0) }
  }

  /// The file by one of the names that its filesystem keeps with it; `nil` inside where none of them is
  /// inside, and outside where the filesystem does not tell.
  private func findByNames(_ file: SubtreeFile) throws -> SubtreeFile?? {
    guard var names = try names(of: file) else { return nil }
    // It may be given another name meanwhile: then look again.
    for _ in 0..<WayUp.attempts {
      for name in names {
        if let found = try find(file, as: name) { return found }
      }
      guard let now = try self.names(of: file) else { return nil }
      if now == names { return .some(nil) }
      names = now
    }
    throw WayUp.busy
  }

  private func names(of file: SubtreeFile) throws -> [FileName]? {
    do throws(Errno) {
      return try FileNames.of(file.handle, on: magic, by: root.descriptor)
    } catch {
      throw StoreError(error, "asking for the names of handle \(file.handle)")
    }
  }

  /// The handle of the directory is not compared with what it opens: the file is, that has the name there.
  private func find(_ file: SubtreeFile, as name: FileName) throws -> SubtreeFile? {
    let directory = try optional { () throws(Errno) in
      try name.directory.open(on: root.descriptor, flags: SystemCalls.path)
    }
    return try directory.flatMap { try confirm(file, name.name, in: OwnedDescriptor($0)) }
  }

  /// The file by a name in a directory, if it has one there and the directory is inside.
  private func find(_ file: SubtreeFile, in parent: KernelFileHandle) throws -> SubtreeFile? {
    guard let path = try opened(parent), path.type == .directory,
      try isInside(path.descriptor, path.status)
    else { return nil }
    return try find(file, in: path.descriptor) { $0.inode == file.status.inode }
      // Where a directory gives other numbers than statx(2): overlayfs of several filesystems, FUSE.
      ?? (magic == .overlay || magic == .fuse
        ? find(file, in: path.descriptor) { $0.type == file.type || $0.type.rawValue == 0 } : nil)
  }

  private func find(
    _ file: SubtreeFile, in directory: OwnedDescriptor,
    where mayBe: (DirectoryEntries.Entry.Head) -> Bool
  ) throws -> SubtreeFile? {
    guard
      let list = try optional({ () throws(Errno) in
        try SystemCalls.open(".", in: directory.descriptor, flags: SystemCalls.directory)
      }).map({ OwnedDescriptor($0) })
    else { return nil }
    var entries = DirectoryEntries(of: list.descriptor)
    while let entry = try entries.next(where: mayBe) {
      if let found = try confirm(file, entry.name, in: directory) { return found }
    }
    return nil
  }

  /// What has a name in a directory, if that is a file and it is inside.
  private func confirm(
    _ file: SubtreeFile, _ name: FilePath, in directory: OwnedDescriptor
  ) throws -> SubtreeFile? {
    do {
      guard let found = try find(name, in: directory),
        found.handle.isOfSameFile(as: file.handle, on: magic),
        try isInside(found, named: name, in: directory)
      else { return nil }
      return found
    } catch StoreError.mountPoint {
      return nil
    }
  }

  /// The result of a call, or `nil` where there is nothing that it could be done with; that there are no
  /// descriptors, or that the disk fails, is an error.
  private func optional<R>(_ call: () throws(Errno) -> R) throws -> R? {
    do throws(Errno) {
      return try call()
    } catch  where Self.nothing.contains(error) {
      return nil
    } catch {
      throw StoreError(error, "looking for a file's name")
    }
  }

  private static let nothing: Set<Errno> = [
    .noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels, .fileNameTooLong,
    .improperLink, .staleHandle,
  ]
}
