internal import SystemPackage

/// Which files are inside. Each answer "inside" is true at one moment between the call and its return,
/// whatever is renamed meanwhile.
extension Subtree {
  /// The file, opened again by a name inside where that was needed; refused where it is outside.
  ///
  /// - Parameter parents: directories in which the file may have a name.
  func requireInside(
    _ file: SubtreeFile, parents: () throws -> [KernelFileHandle]
  ) throws -> SubtreeFile {
    switch containment {
    case .wholeFilesystem: return file
    case .kernel, .walk: return try find(file, parents)
    case .cached:
      guard let verified else { return try find(file, parents) }
      let (isKnown, ticket) = verified.contains(file.handle)
      if isKnown { return file }
      let found = try find(file, parents)
      verified.insert(file.handle, ticket)
      return found
    }
  }

  private func find(
    _ file: SubtreeFile, _ parents: () throws -> [KernelFileHandle]
  ) throws -> SubtreeFile {
    if try isInside(file) { return file }
    guard file.type != .directory else { throw GateRefusal.outside }
    // The kernel knows another name, which is inside.
    if findsNames, let named = try? open(file.handle, below: true), try isInside(named) {
      return named
    }
    if let found = try findByPath(file) { return found }
    for parent in try parents() {
      if let found = try find(file, in: parent) { return found }
    }
    throw GateRefusal.outside
  }

  /// Whether a file is known to be inside by how it was opened: a directory always is, if it is; another
  /// file where its name is in the kernel's cache.
  func isInside(_ file: SubtreeFile) throws -> Bool {
    if isRoot(file.status) { return true }
    if isPrivate, let known = isBelowMount(file.descriptor) {
      return known
    }
    return try file.type == .directory && leadsToRoot(file.descriptor)
  }

  /// Whether a file is below the root of the private mount; `nil` where the kernel does not tell.
  private func isBelowMount(_ file: OwnedDescriptor) -> Bool? {
    switch try? SystemCalls.place(of: file.descriptor, in: descriptors.descriptor) {
    case .below: true
    case .rootOrUnknown: false
    case .nameRemoved, nil: nil
    }
  }
}

// MARK: Names looked up again

extension Subtree {
  /// The file by the name under which the kernel knows it, if that is inside.
  private func findByPath(_ file: SubtreeFile) throws -> SubtreeFile? {
    guard let path = try? SystemCalls.path(of: file.descriptor.descriptor),
      let last = path.lastComponent
    else { return nil }
    let (name, above) = (FilePath(root: nil, [last]), path.removingLastComponent())
    let below = FilePath(".").pushing(FilePath(root: nil, above.components))
    guard
      let directory = try? OwnedDescriptor(
        SystemCalls.open(
          isPrivate ? below : above, in: root.descriptor, flags: SystemCalls.path)),
      let found = try lookUp(name, in: directory),
      found.handle.isOfSameFile(as: file.handle, on: magic),
      try isInside(found, named: name, in: directory)
    else { return nil }
    return found
  }

  /// The file by a name in a directory, if it has one there and the directory is inside.
  private func find(_ file: SubtreeFile, in parent: KernelFileHandle) throws -> SubtreeFile? {
    guard let path = try? open(parent), path.type == .directory,
      try isInside(path),
      let directory = try? OwnedDescriptor(
        SystemCalls.open(".", in: path.descriptor.descriptor, flags: SystemCalls.directory))
    else { return nil }
    return try named(file, in: directory) { $0.inode == file.status.inode }
      // Where a directory gives other numbers than statx(2): overlayfs of several filesystems, FUSE.
      ?? (magic == .overlay || magic == .fuse ? named(file, in: directory) { _ in true } : nil)
  }

  private func named(
    _ file: SubtreeFile, in directory: OwnedDescriptor,
    _ mayBe: (DirectoryEntries.Entry) -> Bool
  ) throws -> SubtreeFile? {
    guard
      let again = try? OwnedDescriptor(
        SystemCalls.open(".", in: directory.descriptor, flags: SystemCalls.directory))
    else { return nil }
    var entries = DirectoryEntries(of: again.descriptor)
    while let entry = try? entries.next() {
      guard mayBe(entry), let found = try lookUp(entry.name, in: directory),
        found.handle.isOfSameFile(as: file.handle, on: magic),
        try isInside(found, named: entry.name, in: directory)
      else { continue }
      return found
    }
    return nil
  }

  /// What a name in a directory is; `nil` where it is nothing.
  func lookUp(_ name: FilePath, in directory: OwnedDescriptor) throws -> SubtreeFile? {
    guard
      let fd = try? SystemCalls.openName(
        name, in: directory.descriptor, flags: SystemCalls.path),
      let handle = try? KernelFileHandle(of: fd.descriptor)
    else { return nil }
    return try SubtreeFile(fd, handle)
  }

  /// Whether a file that was found under a name in a directory is inside.
  func isInside(
    _ file: SubtreeFile, named name: FilePath, in directory: OwnedDescriptor
  ) throws -> Bool {
    if isRoot(file.status) || containment == .wholeFilesystem { return true }
    if isPrivate, let known = isBelowMount(file.descriptor) {
      return known
    }
    // The file's last change tells that it had the name all the while that the way up was looked at.
    for _ in 0..<Self.attempts {
      let before = try FullStatus(of: file.descriptor.descriptor).changed
      guard let again = try lookUp(name, in: directory),
        again.handle.isOfSameFile(as: file.handle, on: magic), try leadsToRoot(directory)
      else { return false }
      if try FullStatus(of: file.descriptor.descriptor).changed == before { return true }
    }
    return false
  }
}

// MARK: The way up

extension Subtree {
  private static let attempts = 8

  /// Whether the directories above one lead to the root, at one moment.
  ///
  /// Each step up is looked at by itself, and between two of them one directory may leave as another
  /// one comes in. So each one's last change is looked at again: where none of them changed, they were
  /// all so at once. A directory that is changed all the time by what others do in it is believed
  /// after some attempts that all gave the same.
  private func leadsToRoot(_ directory: OwnedDescriptor) throws -> Bool {
    var answers: Set<Bool> = []
    for _ in 0..<Self.attempts {
      let way = try WayUp(from: directory, in: self)
      if try way.isUnchanged { return way.isInside }
      answers.insert(way.isInside)
    }
    return answers == [true]
  }
}

/// The directories from one up to the root of its subtree, or of its mount.
private struct WayUp {
  private var steps: [(directory: OwnedDescriptor, changed: Int64)] = []
  let isInside: Bool

  init(from start: OwnedDescriptor, in subtree: Subtree) throws {
    var directory = start
    var status = try FullStatus(of: start.descriptor)
    while !subtree.isRoot(status) {
      steps.append((directory, status.changed))
      guard
        let above = try Self.above(directory),
        case let next = try FullStatus(of: above.descriptor),
        next.inode != status.inode || next.device != status.device
      else {
        isInside = false
        return
      }
      (directory, status) = (above, next)
    }
    isInside = true
  }

  /// `..`, or `nil` where the mount ends.
  private static func above(_ directory: OwnedDescriptor) throws -> OwnedDescriptor? {
    do throws(Errno) {
      return try SystemCalls.openName("..", in: directory.descriptor, flags: SystemCalls.path)
    } catch .improperLink, .noSuchFileOrDirectory {
      return nil
    } catch {
      throw StoreError(error, "looking up the directory above")
    }
  }

  /// Whether none of them was changed since it was looked at.
  var isUnchanged: Bool {
    get throws {
      for step in steps
      where try FullStatus(of: step.directory.descriptor).changed != step.changed { return false }
      return true
    }
  }
}
