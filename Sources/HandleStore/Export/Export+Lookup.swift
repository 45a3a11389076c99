public import SystemPackage

/// How a client names a file of an export.
public enum FileReference: Hashable, Sendable {
  /// By its node; 1 is the root of the export.
  case node(NodeID)
  /// By its token.
  case token(Token)
  /// By its node, or by its token if the node is unknown or no longer leads to the file.
  case nodeOrToken(NodeID, Token)
}

/// A file of an export that was looked up or created, and registered.
public struct ExportEntry: Hashable, Sendable {
  /// The file's token.
  public let token: Token
  /// The file's node, and whether it is new. If it replaced another node, invalidate that node at
  /// the client before you answer.
  public let registration: Registration
  /// The file's handle, connectable or not.
  public let handle: KernelFileHandle
  /// The file's status.
  public let status: FileStatus
  /// The rest of its status, for a reply to the client.
  public let attributes: FileAttributes
  /// The open file after ``Export/createOrOpen(_:in:as:permissions:form:pinnedBy:)``; the caller
  /// closes it. `nil` after a lookup, which leaves nothing open.
  public internal(set) var descriptor: FileDescriptor?
  /// Whether this call created the file.
  public internal(set) var wasCreated = false

  /// The file's node.
  public var node: NodeID { registration.node }
}

extension Export {
  /// Looks up a name in a directory, and registers the file that it finds.
  ///
  /// - Parameters:
  ///   - name: one name. `.` is the file itself, of any type; `..` is the directory above, or the
  ///     root itself if this is the root. A symbolic link is not followed.
  ///   - parent: the directory; for `.` and `..` any file.
  ///   - form: how the token names the file.
  ///   - pins: where to count one pin of the file's node, as
  ///     ``Store/register(_:on:pinnedBy:)`` does.
  /// - Returns: `nil` if the directory has no such name.
  /// - Throws: ``StoreError/refused(_:)`` if the gate refuses the directory, or if the file that was
  ///   found is not inside; ``StoreError/badName(_:)``; ``StoreError/mountPoint(_:)``;
  ///   ``StoreError/tokenTooLong(_:limit:)``; what ``Store/register(_:on:pinnedBy:)``
  ///   throws.
  /// - Complexity: that of ``open(_:as:)`` and of registering.
  public func lookup(
    _ name: FilePath, in parent: FileReference,
    form: TokenForm = .value(atMost: Token.maximumLength), pinnedBy pins: Pins? = nil
  ) throws(StoreError) -> ExportEntry? {
    try gated {
      try Self.requireName(name)
      let directory = try admit(parent)
      if name == "." { return try register(directory, form: form, pinnedBy: pins).entry }
      if name == ".." { return try register(above(directory), form: form, pinnedBy: pins).entry }
      guard let found = try find(name, in: directory) else { return nil }
      return try register(found, in: directory, form: form, pinnedBy: pins).entry
    }
  }

  /// Returns the entry of a file that a client names. If its node was dropped, mints a new one.
  ///
  /// - Throws: as ``lookup(_:in:form:pinnedBy:)``.
  public func lookup(
    _ file: FileReference, form: TokenForm = .value(atMost: Token.maximumLength),
    pinnedBy pins: Pins? = nil
  ) throws(StoreError) -> ExportEntry {
    try gated {
      try register(admit(file), form: form, pinnedBy: pins).entry
    }
  }

  /// Opens a file by its name, or creates a regular file of that name, and registers it. If several
  /// callers do so with the same name at the same time, exactly one of them is told that it created
  /// the file.
  ///
  /// - Parameters:
  ///   - name: one name, not `.` or `..`.
  ///   - parent: the directory.
  ///   - mode: how to open the file.
  ///   - permissions: those of a new file, under the process's umask. Its owner is the thread's
  ///     user.
  ///   - form: how the token names the file.
  ///   - pins: where to count one pin of the file's node.
  /// - Returns: the file, open; its ``ExportEntry/descriptor`` is never `nil`.
  /// - Throws: as ``lookup(_:in:form:pinnedBy:)`` and ``open(_:as:)``. On an error nothing is
  ///   pinned.
  public func createOrOpen(
    _ name: FilePath, in parent: FileReference, as mode: OpenMode, permissions: UInt32,
    form: TokenForm = .value(atMost: Token.maximumLength), pinnedBy pins: Pins? = nil
  ) throws(StoreError) -> ExportEntry {
    try gated {
      try Self.requireName(name)
      guard name.isOneName else { throw StoreError.badName(name) }
      let directory = try admit(parent)
      for _ in 0..<Self.attempts {
        if !record.isReadOnly,
          let new = try create(name, in: directory, as: mode, permissions: permissions & 0o7777)
        {
          var entry = try register(new, in: directory, form: form, pinnedBy: pins).entry
          entry.descriptor = try unpinning(entry, from: pins) { try finish(new, as: mode) }
          entry.wasCreated = true
          return entry
        }
        if let found = try find(name, in: directory) {
          var (entry, file) = try register(found, in: directory, form: form, pinnedBy: pins)
          entry.descriptor = try unpinning(entry, from: pins) { try reopen(file, as: mode) }
          return entry
        }
        guard !record.isReadOnly else { throw StoreError.readOnlyExport(record.name) }
      }
      throw StoreError.system(.resourceTemporarilyUnavailable, "creating \(name)")
    }
  }

  /// How many times ``createOrOpen(_:in:as:permissions:form:pinnedBy:)`` tries. An attempt fails only
  /// if others create the name before it tries to create it, and remove the name before it looks the
  /// name up. If many callers do nothing else, that may happen several times in a row, and an honest
  /// client must not get an error for it. So the limit is high; it only keeps the call from running
  /// for ever.
  private static let attempts = 1000

  private static func requireName(_ name: FilePath) throws {
    guard name.length <= 255, name.isOneName || name == "." || name == ".." else {
      throw StoreError.badName(name)
    }
  }

  func admit(_ file: FileReference) throws -> OpenedFile {
    switch file {
    case .node(let node): return try admit(node)
    case .token(let token): return try admit(token)
    case .nodeOrToken(let node, let token):
      do {
        return try admit(node)
      } catch let refusal as GateRefusal
        where [.unknownNode, .stale, .replaced, .fileType].contains(refusal)
      {
        return try admit(token)
      }
    }
  }

  /// Returns the file of a name in a directory, or `nil` if there is none. The name is neither `.` nor
  /// `..`.
  private func find(_ name: FilePath, in directory: OpenedFile) throws -> OpenedFile? {
    let subtree = layers[directory.layer]
    // The file may lose its name right after it was found. Then look the name up again.
    for _ in 0..<Self.looks {
      guard let file = try subtree.find(name, in: directory.descriptor) else { return nil }
      if try subtree.isInside(file, named: name, in: directory.descriptor) { return file }
    }
    throw GateRefusal.outside
  }

  /// How many times to look a name up if its file is not inside. If a rename caused that, the next
  /// look finds the new file or no file, and nobody renames the file at each of eight looks by
  /// accident. If the directory itself was moved out, no look helps; so the number is small.
  private static let looks = 8

  /// Returns the directory above a directory, the root itself if this is the root, and for a file
  /// that is not a directory a directory in which it has a name.
  private func above(_ file: OpenedFile) throws -> OpenedFile {
    let subtree = layers[file.layer]
    if subtree.isRoot(file.status) { return file }
    guard file.type == .directory else { return try directory(of: file) }
    do {
      guard let found = try subtree.find("..", in: file.descriptor) else {
        throw GateRefusal.outside
      }
      return try subtree.requireInside(found)
    } catch StoreError.mountPoint {
      return try covered(above: file)
    }
  }

  /// Returns the directory above another one if it is covered by a mount, so that `..` does not lead
  /// to it. It can only be the root, or the directory on record.
  private func covered(above file: OpenedFile) throws -> OpenedFile {
    let subtree = layers[file.layer]
    for candidate in [root, file.node?.parent].compactMap(\.self) {
      let directory = try admit(candidate)
      if subtree.has(directory, child: file) { return directory }
    }
    throw StoreError.mountPoint("..")
  }

  private func directory(of file: OpenedFile) throws -> OpenedFile {
    if let parent = file.node?.parent { return try admit(parent) }
    let subtree = layers[file.layer]
    guard let handle = file.handle.parent(on: subtree.magic) else { throw GateRefusal.outside }
    let directory = try subtree.open(handle)
    try subtree.requireSameFile(directory)
    return try subtree.requireInside(directory)
  }

  /// Creates a file and opens it. Returns `nil` if the name is taken.
  private func create(
    _ name: FilePath, in directory: OpenedFile, as mode: OpenMode, permissions: UInt32
  ) throws -> OpenedFile? {
    let subtree = layers[directory.layer]
    let path = directory.descriptor
    let flags = mode == .path ? OpenMode.readOnly.flags : mode.flags
    do {
      let flags = flags | SystemCalls.createExclusively
      guard let file = try subtree.find(name, in: path, flags: flags, mode: permissions) else {
        throw GateRefusal.stale  // The directory was removed.
      }
      // The new file may have lost its name already. Then it is enough that its directory is
      // inside.
      let isInside =
        try subtree.isInside(file, named: name, in: path)
        || FullStatus(of: file.descriptor.descriptor).file.links == 0
          && subtree.isInside(path, FullStatus(of: path.descriptor).file)
      guard isInside else { throw GateRefusal.outside }
      return file
    } catch StoreError.system(.fileExists, _) {
      return nil
    }
  }

  /// Returns the descriptor of a new file, opened in the requested mode.
  private func finish(_ new: OpenedFile, as mode: OpenMode) throws -> FileDescriptor {
    guard mode == .path else { return new.descriptor.release() }
    return try openAgain(new, as: mode)
  }

  /// Registers a file. If it was copied up, returns the entry of the copy, and the copy.
  private func register(
    _ found: OpenedFile, in directory: OpenedFile? = nil, form: TokenForm, pinnedBy pins: Pins?
  ) throws -> (entry: ExportEntry, file: OpenedFile) {
    let filesystem = layers[found.layer].filesystem
    let parent = try directory.map { try node(of: $0) }
    let registration = try store.register(
      found.found(in: parent), on: filesystem, pinnedBy: pins)
    do {
      let node = try store.find(registration.node)
      let isOwn = node.map { layers[found.layer].hasFile(of: $0, found.handle) } ?? false
      let file = isOwn ? found : try admit(registration.node)
      let entry = ExportEntry(
        token: try makeToken(registration.node, form), registration: registration,
        handle: file.handle, status: file.status,
        attributes: file.fullStatus.attributes)
      return (entry, file)
    } catch {
      pins?.unpin(registration.node)
      throw error
    }
  }

  /// Opens a file that was just pinned. If that fails, takes the pin back.
  private func unpinning(
    _ entry: ExportEntry, from pins: Pins?, _ open: () throws -> FileDescriptor
  ) throws -> FileDescriptor {
    do {
      return try open()
    } catch {
      pins?.unpin(entry.node)
      throw error
    }
  }

  private func node(of directory: OpenedFile) throws -> NodeID {
    if let node = directory.node { return node.id }
    return try store.register(directory.found(), on: layers[directory.layer].filesystem).node
  }
}
