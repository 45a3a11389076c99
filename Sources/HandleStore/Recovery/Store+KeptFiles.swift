internal import HandleLocks
public import SystemPackage

/// Files of filesystems that cannot open handles.
extension Store {
  /// Keeps open the files below a directory that are registered from now on, and those that an
  /// earlier process has parked. The nodes of all other such files are stale from here on, except
  /// those that return with their files (``KeptFiles/isNodeLasting(_:)``).
  ///
  /// - Parameters:
  ///   - directory: an open directory. It stays the caller's.
  ///   - limit: how many files to keep at most, 1 or more.
  ///   - parking: where to park the files, so that they outlive this process; not used before.
  /// - Throws: ``StoreError/badValue(_:)`` if the limit is below 1, or if the store keeps files
  ///   already; ``StoreError/readOnly``, and what ``Parking/takeBack()`` and
  ///   ``KeptFiles/register(_:in:on:pinnedBy:)`` throw.
  /// - Complexity: O(nodes + mounts)
  public func keepFiles(
    below directory: FileDescriptor, limit: Int, parking: Parking? = nil
  ) throws(StoreError) -> KeptFiles {
    try withStoreErrors {
      try requireWriting()
      guard limit > 0 else {
        throw StoreError.badValue("a limit of \(limit) files is too low; use 1 or more")
      }
      guard kept.count == 0 else {
        throw StoreError.badValue("the store keeps files already; release the other KeptFiles")
      }
      let filesystem = try attachKept(directory)
      let taken = try takeUp(parking)
      try dropNotKept(areLasting: taken)
      return try keepFiles(below: directory, on: filesystem, limit, parking)
    }
  }

  private func keepFiles(
    below directory: FileDescriptor, on filesystem: FilesystemID, _ limit: Int, _ parking: Parking?
  ) throws -> KeptFiles {
    let own = OwnedDescriptor(
      try SystemCalls.open(".", in: directory, flags: SystemCalls.directory))
    let root = try register(
      FoundFile(
        handle: KernelFileHandle(identifying: directory), status: FileStatus(of: directory)),
      on: filesystem
    ).node
    holds.hold(root: root)
    let files = KeptFiles(
      self, below: own, root: root, on: filesystem, limit: limit, parking: parking)
    _ = try files.register(directory)
    return files
  }

  /// Takes up the files that an earlier process has parked. Releases those whose nodes are gone.
  ///
  /// - Returns: whether there were any.
  private func takeUp(_ parking: Parking?) throws -> Bool {
    let files = try parking?.takeBack() ?? [:]
    for (id, descriptor) in files {
      let file = OwnedDescriptor(descriptor)
      if let node = try find(id), node.state == .live, isKept(node.filesystem) {
        kept.insert(file, of: id)
      } else {
        try parking?.release(id)
      }
    }
    return !files.isEmpty
  }

  /// Drops the nodes of files that should be kept, and are not. Retires those that somebody holds.
  ///
  /// - Parameter areLasting: whether a filesystem is still the same one, so that nodes with
  ///   generations stay.
  private func dropNotKept(areLasting: Bool) throws {
    var next: NodeID? = .root
    while let start = next {
      let page = try nodes(from: start)
      let lost = page.nodes.filter {
        isKept($0.filesystem) && $0.state == .live && kept[$0.id] == nil
          && !(areLasting && hasLastingHandle($0))
      }.map(\.id)
      if !lost.isEmpty, try !dropUnheld(lost) {
        for id in lost { _ = try retire(id) }
      }
      next = page.next
    }
  }

  /// Returns whether a node's handle is lasting.
  func hasLastingHandle(_ node: Node) -> Bool {
    (try? index.filesystems.magic(node.filesystem)).map { node.handle.isLasting(on: $0) } ?? false
  }

  /// Returns the number of a filesystem whose files are kept; introduces it if it is new.
  func attachKept(_ file: FileDescriptor) throws -> FilesystemID {
    guard !index.isShared else {
      throw StoreError.badValue(
        "files that are kept open are of no use to the other gateways of a shared store; use a "
          + "filesystem with file handles")
    }
    let identity: FilesystemIdentity
    do throws(Errno) {
      identity = try .ofKept(file)
    } catch {
      throw StoreError(error, "identifying the filesystem of \(file.words)")
    }
    return try attaching.withLock { _ in
      let known = index.filesystems.all.first { $0.value.identity == identity }
      return try known?.key ?? introduce(identity)
    }
  }

  /// Whether the files of a filesystem are kept open.
  func isKept(_ filesystem: FilesystemID) -> Bool {
    index.filesystems[filesystem]?.identity.isKept ?? false
  }

  /// Opens a node's kept file, or returns `nil` if the files of its filesystem are opened by handle.
  func openKept(_ node: Node, as mode: OpenMode) throws -> FileDescriptor? {
    guard kept.count > 0, isKept(node.filesystem) else { return nil }
    guard let file = kept[node.id] else { throw StoreError.stale(node.id) }
    do throws(Errno) {
      guard mode != .path else { return try SystemCalls.duplicate(file.descriptor) }
      return try SystemCalls.open(
        FilePath("/proc/self/fd/\(file.descriptor.rawValue)"), flags: mode.flags)
    } catch {
      throw StoreError(error, "opening node \(node.id)")
    }
  }
}
