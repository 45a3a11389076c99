internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// The operations that create, remove and rename names. None may be done twice, so each is noted in
/// the journal before it is done. If a request is sent again and was already carried out, the reply
/// is made from the present state.
extension Server {
  func makeDirectory(
    _ name: FilePath, in parent: UInt64, mode: mode_t, for request: Request
  ) throws -> Reply {
    try make(name, in: parent, .directory, for: request) {
      try keepSetIDs(in: mode)
      try $0.makeDirectory(name, mode: mode)
    }
  }

  func makeNode(
    _ name: FilePath, in parent: UInt64, mode: mode_t, device: dev_t, for request: Request
  ) throws -> Reply {
    try make(name, in: parent, FileType(rawValue: mode & S_IFMT), for: request) {
      try keepSetIDs(in: mode)
      try $0.makeNode(name, mode: mode, device: device)
    }
  }

  /// Has a new file keep the set-user-id and set-group-id bits that it is to have.
  private func keepSetIDs(in mode: mode_t) throws(Errno) {
    if mode & (S_ISUID | S_ISGID) != 0 { try Credentials.keepSetIDs(true) }
  }

  func makeSymbolicLink(
    _ name: FilePath, in parent: UInt64, to target: RawString, for request: Request
  ) throws -> Reply {
    try make(name, in: parent, .symbolicLink, for: request) {
      try $0.makeSymbolicLink(name, to: target)
    }
  }

  private func make(
    _ name: FilePath, in parent: UInt64, _ type: FileType, for request: Request,
    act: (BackingFile) throws -> Void
  ) throws -> Reply {
    let directory = try path(parent)
    try once(for: request, wasDone: { try $0.wasDone(in: directory.descriptor) }) {
      .create(type, as: name)
    } act: {
      try request.asCaller { try act(directory) }
    }
    return .entry(
      try newEntry(of: directory.path(of: name), name, in: parent, directory, caches: true))
  }

  /// Returns the entry of a file that was just created. If the store's disk is full, removes the
  /// file again: a caller that gets ENOSPC does not expect the file to exist.
  private func newEntry(
    of file: BackingFile, _ name: FilePath, in parent: UInt64, _ directory: BackingFile,
    caches: Bool
  ) throws -> Entry {
    do {
      return try entry(of: file, in: parent, caches: caches)
    } catch {
      guard case StoreError.diskFull = error, let status = try? file.status,
        try KernelFileHandle(identifying: name, in: directory.descriptor)
          == KernelFileHandle(identifying: file.descriptor)
      else { throw error }
      try? directory.remove(name, isDirectory: status.st_mode & S_IFMT == S_IFDIR)
      throw error
    }
  }

  func link(
    _ number: UInt64, to parent: UInt64, as name: FilePath, for request: Request
  ) throws -> Reply {
    let (file, directory) = (try path(number), try path(parent))
    try once(for: request, wasDone: { try $0.wasDone(in: directory.descriptor) }) {
      .link(try KernelFileHandle(identifying: file.descriptor), as: name)
    } act: {
      try directory.link(file, as: name)
    }
    housekeeping.noteName(of: node(number))
    var entry = try entry(of: file, in: parent)
    // The kernel takes this status even if it was told meanwhile that the file has changed.
    entry.statusTime = min(entry.statusTime, times.brief)
    return .entry(entry)
  }

  func remove(
    _ name: FilePath, in parent: UInt64, isDirectory: Bool, for request: Request
  ) throws -> Reply {
    let directory = try path(parent)
    var held: NamelessFile?
    try once(for: request, wasDone: { try $0.wasDone(in: directory.descriptor) }) {
      let victim = try directory.path(of: name)
      let handle = try KernelFileHandle(identifying: victim.descriptor)
      held = try hold(victim, handle)
      return .remove(name, of: handle)
    } act: {
      try removingName(of: held) { try directory.remove(name, isDirectory: isDirectory) }
    }
    return .done
  }

  func rename(
    _ name: FilePath, in parent: UInt64, to newName: FilePath, in newParent: UInt64, flags: UInt32,
    for request: Request
  ) throws -> Reply {
    let (from, to) = (try path(parent), try path(newParent))
    try once(
      for: request, wasDone: { try $0.wasDone(in: from.descriptor, newDirectory: to.descriptor) }
    ) {
      let file = try KernelFileHandle(identifying: name, in: from.descriptor)
      guard flags & HF_RENAME_EXCHANGE != 0 else {
        return .rename(file, from: name, to: newName)
      }
      let other = try KernelFileHandle(identifying: newName, in: to.descriptor)
      return .exchange(name, of: file, with: newName, of: other)
    } act: {
      // The node that RENAME_WHITEOUT leaves behind must belong to the caller.
      try request.asCaller { try rename(name, in: from, to: newName, in: to, flags: flags) }
    }
    if parent != newParent {
      recordMove(of: newName, in: to, newParent)
      if flags & HF_RENAME_EXCHANGE != 0 { recordMove(of: name, in: from, parent) }
    }
    return .done
  }

  /// Renames a file. If another file loses its name by that, holds that file.
  private func rename(
    _ name: FilePath, in from: BackingFile, to newName: FilePath, in to: BackingFile, flags: UInt32
  ) throws {
    if flags == 0 {
      // Most new names are free. Some filesystems do not have this flag.
      do throws(Errno) {
        return try from.rename(name, to: to, newName, flags: HF_RENAME_NOREPLACE)
      } catch {
        guard error == .fileExists || error == .invalidArgument else { throw error }
      }
    }
    let mayReplace = flags & (HF_RENAME_EXCHANGE | HF_RENAME_NOREPLACE) == 0
    let victim = mayReplace ? try existing(newName, to) : nil
    let held = try victim.flatMap { try hold($0, KernelFileHandle(identifying: $0.descriptor)) }
    try removingName(of: held) { try from.rename(name, to: to, newName, flags: flags) }
  }

  /// Records the new directory of a file that was moved, so that its handle opens it even after the
  /// kernel has forgotten its name, and after the next mount. A failure is only logged, because the
  /// move itself is done.
  private func recordMove(of name: FilePath, in directory: BackingFile, _ number: UInt64) {
    do {
      let file = try directory.path(of: name)
      try store.recordMove(
        of: FoundFile(
          handle: KernelFileHandle(identifying: file.descriptor), status: FileStatus(file.status)),
        on: filesystems.filesystem(of: file, file.status), into: node(number))
    } catch {
      log.warning(
        "a file was moved, and its handle may be stale until it is looked up by name",
        metadata: ["name": "\(name)", "error": "\(error)"])
    }
  }

  /// Creates a file and opens it.
  ///
  /// If another process has created a file of that name meanwhile, the kernel has to look it up and
  /// check whether the caller may open it. `ESTALE` makes it do so.
  func create(
    _ name: FilePath, in parent: UInt64, mode: mode_t, flags: CInt, for request: Request
  ) throws -> Reply {
    let directory = try path(parent)
    var created: BackingFile?
    try once(for: request, wasDone: { try $0.wasDone(in: directory.descriptor) }) {
      .create(.regular, as: name)
    } act: {
      do throws(Errno) {
        created = try request.asCaller { () throws(Errno) in
          try keepSetIDs(in: mode)
          return try directory.open(name, flags: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
        }
      } catch {
        throw error == .fileExists && flags & O_EXCL == 0 ? .stale : error
      }
    }
    let file = try created ?? directory.path(of: name)
    var entry = try newEntry(of: file, name, in: parent, directory, caches: created == nil)
    entry.statusTime = min(entry.statusTime, times.brief)
    let opened = try opened(
      file, of: node(entry.node), status: entry.status, flags: flags, for: request)
    if let created { files.insert(created, of: node(entry.node), for: .writing) }
    return .created(entry, opened)
  }

  /// Creates a file without a name in a directory (`O_TMPFILE`).
  func createUnnamed(in parent: UInt64, mode: mode_t, for request: Request) throws -> Reply {
    if let made = try unnamedFile(of: request) { return made }
    let directory = try path(parent)
    let file = try request.asCaller {
      try keepSetIDs(in: mode)
      return try directory.open(".", flags: O_RDWR | HF_O_TMPFILE, mode: mode)
    }
    var entry = try entry(of: file, in: parent, caches: false)
    entry.statusTime = min(entry.statusTime, times.brief)
    let node = node(entry.node)
    let opened = try opened(file, of: node, status: entry.status, flags: O_RDWR, for: request)
    housekeeping.losesName(node)
    FaultPoint.pass(.create, .acted)
    return .created(entry, opened)
  }

  /// Returns the reply for a resent request if an earlier server already created the file and it
  /// still exists; `nil` otherwise. That server has pinned the node.
  private func unnamedFile(of request: Request) throws -> Reply? {
    guard request.isResent, let node = openFiles[request.number],
      let file = try? path(wire(node).number)
    else { return nil }
    let status = try file.status
    statistics.count(.foundDone)
    let backing = try openFiles.open(request.number, of: node, file: nil)
    return .created(
      try entry(node, status, for: times.brief, wasWritten: true),
      Opened(number: request.number, backing: backing))
  }

  // MARK: Once

  /// Does something that must not be done twice. Does nothing if the request was sent again and an
  /// earlier server already carried it out.
  ///
  /// - Parameters:
  ///   - wasDone: returns whether the present state shows that an intent was carried out.
  ///   - intent: returns what is about to be done; `nil` if `act` will fail.
  ///   - act: does it.
  func once(
    for request: Request, wasDone: (Intent) throws -> Bool, intent: () throws -> Intent?,
    act: () throws -> Void
  ) throws {
    if request.isResent, let left = journal[request.number] {
      if try wasDone(left) { return statistics.count(.foundDone) }
      try journal.note(left, for: request.number)
      return try act()
    }
    guard let intent = try intent() else { return try act() }
    try journal.note(intent, for: request.number)
    FaultPoint.pass(intent.operation, .noted)
    do {
      try act()
    } catch {
      // Nothing was done. If the request came again, another process's work could pass for it.
      journal.forget(request.number)
      throw error
    }
    FaultPoint.pass(intent.operation, .acted)
  }

  private func existing(_ name: FilePath, _ directory: BackingFile) throws(Errno) -> BackingFile? {
    do throws(Errno) {
      return try directory.path(of: name)
    } catch {
      if error == .noSuchFileOrDirectory { return nil }
      throw error
    }
  }

  /// A file that the server holds after it loses its last name.
  private struct NamelessFile {
    let node: NodeID
    let isDirectory: Bool
  }

  /// Holds a file that is about to lose its last name for as long as the kernel knows it: it may be
  /// open, or be a process's working directory. This happens before the name goes. A file that
  /// nothing else would keep if this process were killed is also parked in the supervisor.
  ///
  /// - Returns: `nil` if the file has other names or no node.
  private func hold(_ file: BackingFile, _ handle: KernelFileHandle) throws -> NamelessFile? {
    let status = try file.status
    let isDirectory = status.st_mode & S_IFMT == S_IFDIR
    guard isDirectory || status.st_nlink == 1,
      let node = try store.node(of: handle, on: filesystems.filesystem(of: file, status))?.id
    else { return nil }
    let isNeeded = isDirectory && lookups.count(of: node) > 0 || openFiles.needsParking(node)
    try orphans.hold(file, node, parks: isNeeded)
    return NamelessFile(node: node, isDirectory: isDirectory)
  }

  /// Calls `act`, which removes the name of a file that is held. If `act` fails, lets go of the file.
  private func removingName(of held: NamelessFile?, _ act: () throws -> Void) throws {
    do {
      try act()
    } catch {
      if let held { orphans.release(held.node) }
      throw error
    }
    guard let held else { return }
    housekeeping.losesName(held.node)
    // A file that was opened meanwhile either counts as open here, or its open finds by itself that
    // the file has no name.
    if openFiles.needsParking(held.node) {
      try orphans.park(held.node)
    } else if lookups.count(of: held.node) == 0
      || !held.isDirectory && openFiles.isOpen(held.node)
    {
      // The kernel does not know the file, or keeps it open by itself.
      orphans.release(held.node)
    }
    if lookups.count(of: held.node) == 0 { housekeeping.noteForgotten(held.node) }
  }
}
