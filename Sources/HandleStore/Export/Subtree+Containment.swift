internal import SystemPackage

/// Decides which files are inside. Each answer "inside" is true at some moment between the call and
/// its return, whatever is renamed meanwhile (for the exception see ``Containment/cached``).
extension Subtree {
  /// Returns the file if it is inside, opened again by a name inside if that was needed; otherwise
  /// `nil`.
  ///
  /// - Parameter parents: directories in which the file may have a name.
  func findInside(
    _ file: OpenedFile, _ parents: () throws -> [KernelFileHandle]
  ) throws -> OpenedFile? {
    switch containment {
    case .wholeFilesystem: return file
    case .kernel, .walk: return try proveInside(file, parents)
    case .cached:
      guard let verified else { return try proveInside(file, parents) }
      let (isKnown, ticket) = verified.contains(file.handle)
      if isKnown { return file }
      guard let found = try proveInside(file, parents) else { return nil }
      verified.insert(file.handle, ticket)
      return found
    }
  }

  private func proveInside(
    _ file: OpenedFile, _ parents: () throws -> [KernelFileHandle]
  ) throws -> OpenedFile? {
    if file.type == .directory { return try isInside(file.descriptor, file.status) ? file : nil }
    if place(of: file.descriptor) == .below { return file }
    if let found = try findByPath(file) { return found }
    // The kernel may know another name, which is inside.
    if findsNames, let named = try opened(file.handle, below: true) {
      if place(of: named.descriptor) == .below { return named }
      if let found = try findByPath(named) { return found }
    }
    if let known = try findByNames(file) { return known }
    for parent in try parents() {
      if let found = try find(file, in: parent) { return found }
    }
    return nil
  }

  /// Returns where a file is on the private mount, or `nil` if there is no such mount or the kernel
  /// does not say.
  private func place(of file: OwnedDescriptor) -> PlaceOnMount? {
    guard asksKernel else { return nil }
    return try? SystemCalls.place(of: file.descriptor, in: descriptors.descriptor)
  }

  /// Opens the file of a handle. Returns `nil` if the file is gone or its inode belongs to another
  /// file.
  private func opened(_ handle: KernelFileHandle, below: Bool = false) throws -> OpenedFile? {
    do {
      let file = try open(handle, below: below)
      try requireSameFile(file)
      return file
    } catch is GateRefusal {
      return nil
    }
  }

  /// Returns whether a directory is inside.
  ///
  /// That the kernel gives a `..` would not be enough, although it gives none on a private mount for a
  /// directory that is elsewhere (`path_connected` in `fs/namei.c`): it asks whether the directory above
  /// is inside, and the one below may have left that by then.
  func isInside(_ directory: OwnedDescriptor, _ status: FileStatus) throws -> Bool {
    if isRoot(status) { return true }
    switch place(of: directory) {
    case .below: return true
    case .rootOrUnknown: return false
    // The directory was removed, or its own name ends like that.
    case .nameRemoved, nil: return try leadsToRoot(directory)
    }
  }

  /// Returns whether a file that was found under a name in a directory is inside.
  func isInside(
    _ file: OpenedFile, named name: FilePath, in directory: OwnedDescriptor
  ) throws -> Bool {
    if isRoot(file.status) || containment == .wholeFilesystem { return true }
    switch place(of: file.descriptor) {
    case .below: return true
    case .rootOrUnknown: return false
    case .nameRemoved, nil: break
    }
    // For the reason why this is exact see ``WayUp/isConfirmed(by:)``: the file had the name from the
    // first look to the second, and the directory was inside at a moment between them.
    for _ in 0..<WayUp.attempts {
      let before = try FullStatus(of: file.descriptor.descriptor).changed
      guard try leads(name, in: directory, to: file),
        try isInside(directory, FullStatus(of: directory.descriptor).file),
        try leads(name, in: directory, to: file)
      else { return false }
      if try FullStatus(of: file.descriptor.descriptor).changed == before { return true }
    }
    throw WayUp.busy
  }
}

// MARK: Names looked up again

extension Subtree {
  private func leads(
    _ name: FilePath, in directory: OwnedDescriptor, to file: OpenedFile
  ) throws -> Bool {
    try find(name, in: directory)?.handle.isOfSameFile(as: file.handle, on: magic) ?? false
  }
}

extension Subtree {
  /// Finds the file by the name under which the kernel knows it, if that is inside.
  private func findByPath(_ file: OpenedFile) throws -> OpenedFile? {
    guard let path = try? KernelPath(of: file.descriptor.descriptor), let below = below(path),
      let name = below.name,
      let directory = try optional({ () throws(Errno) in
        try SystemCalls.open(below.directory, in: root.descriptor, flags: SystemCalls.path)
      }).map({ OwnedDescriptor($0) })
    else { return nil }
    return try confirm(file, name, in: directory)
  }

  /// Returns what follows the root's path in a path that the kernel gave, or `nil` if the path is
  /// elsewhere. Look up the result from the root on, because something may be mounted over the
  /// root.
  private func below(_ path: KernelPath) -> KernelPath? {
    guard !isPrivate else { return path }
    return (try? KernelPath(of: root.descriptor)).flatMap { path.below($0) }
  }

  /// Finds the file by one of the names that its filesystem keeps with it. Returns `.some(nil)` if
  /// none of them is inside, and `nil` if the filesystem does not report the names.
  private func findByNames(_ file: OpenedFile) throws -> OpenedFile?? {
    guard var names = try names(of: file) else { return nil }
    // The file may get another name meanwhile. Then look again.
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

  private func names(of file: OpenedFile) throws -> [FileName]? {
    do throws(Errno) {
      return try FileNames.of(file.handle, on: magic, by: root.descriptor)
    } catch {
      throw StoreError(error, "reading the names of handle \(file.handle)")
    }
  }

  /// Finds the file by a name that the filesystem reported. Does not check that the directory's handle
  /// opened the right directory; it is enough that the name in it leads to the file.
  private func find(_ file: OpenedFile, as name: FileName) throws -> OpenedFile? {
    let directory = try optional { () throws(Errno) in
      try name.directory.open(on: root.descriptor, flags: SystemCalls.path)
    }
    return try directory.flatMap { try confirm(file, name.name, in: OwnedDescriptor($0)) }
  }

  /// Finds the file by a name in a directory, if it has one there and the directory is inside.
  private func find(_ file: OpenedFile, in parent: KernelFileHandle) throws -> OpenedFile? {
    guard let path = try opened(parent), path.type == .directory,
      try isInside(path.descriptor, path.status)
    else { return nil }
    return try find(file, in: path.descriptor) { $0.inode == file.status.inode }
      // Directory entries may have other inode numbers than statx(2): on overlayfs of several
      // filesystems, and on FUSE.
      ?? (magic == .overlay || magic == .fuse
        ? find(file, in: path.descriptor) { $0.type == file.type || $0.type.rawValue == 0 } : nil)
  }

  private func find(
    _ file: OpenedFile, in directory: OwnedDescriptor,
    where mayBe: (DirectoryEntries.Entry.Head) -> Bool
  ) throws -> OpenedFile? {
    guard
      let list = try optional({ () throws(Errno) in
        try SystemCalls.open(".", in: directory.descriptor, flags: SystemCalls.directory)
      }).map({ OwnedDescriptor($0) })
    else { return nil }
    var entries = DirectoryEntries(of: list.descriptor)
    while let entry = try entries.read(where: mayBe) {
      if let found = try confirm(file, entry.name, in: directory) { return found }
    }
    return nil
  }

  /// Opens a name in a directory. Returns `nil` unless it leads to the file and the file is inside.
  private func confirm(
    _ file: OpenedFile, _ name: FilePath, in directory: OwnedDescriptor
  ) throws -> OpenedFile? {
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

  /// Returns the result of a call, or `nil` if the name or file cannot be reached (``nothing``).
  /// Other failures, such as a failing disk or a lack of descriptors, are errors.
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
