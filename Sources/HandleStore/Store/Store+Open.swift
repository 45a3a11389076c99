internal import Glibc
public import SystemPackage

/// How a node's file is opened (`open(2)`); always with `O_CLOEXEC`.
public enum OpenMode: Sendable, CaseIterable {
  /// `O_PATH`: a reference to the file, of any type, that can be asked for its status and used as a
  /// directory, but not read. Nothing happens to the file by it.
  case path
  /// `O_RDONLY`; a directory too.
  case readOnly
  /// `O_WRONLY`.
  case writeOnly
  /// `O_RDWR`.
  case readWrite

  fileprivate var flags: CInt {
    switch self {
    case .path: SystemCalls.path
    case .readOnly: O_RDONLY | O_NONBLOCK | O_NOCTTY
    case .writeOnly: O_WRONLY | O_NONBLOCK | O_NOCTTY
    case .readWrite: O_RDWR | O_NONBLOCK | O_NOCTTY
    }
  }
}

extension Store {
  /// Opens a node's file, wherever it is on its filesystem now.
  ///
  /// A node whose file is found to be gone is retired. Where the kernel takes a handle's generation 0
  /// for "any" (ext4, f2fs, btrfs, a layer of overlayfs) the file is first opened as a path, its handle
  /// is made again, and a different one means that the file is gone.
  ///
  /// - Parameters:
  ///   - id: the node.
  ///   - mode: how to open it. Other files than regular ones and directories are opened only as
  ///     ``OpenMode/path``.
  /// - Returns: a descriptor, which is the caller's to close.
  /// - Throws: ``StoreError/stale(_:)``, ``StoreError/unknownNode(_:)``,
  ///   ``StoreError/notAttached(_:)``, ``StoreError/notOpenable(_:_:)``,
  ///   ``StoreError/tooManyOpenFiles``, ``StoreError/notPermitted(_:)`` without
  ///   `CAP_DAC_READ_SEARCH`, ``StoreError/system(_:_:)`` with what `open(2)` gave.
  /// - Complexity: a ``node(_:)`` and one system call; five more for generation 0.
  public func open(_ id: NodeID, _ mode: OpenMode = .path) throws(StoreError) -> FileDescriptor {
    let start = SystemCalls.now
    guard let node = try node(id) else { throw StoreError.unknownNode(id) }
    let descriptor = try guarded { try open(node, mode) }
    counters.openTimes.record(SystemCalls.now - start)
    counters.count(.opened)
    return descriptor
  }

  private func open(_ node: Node, _ mode: OpenMode) throws -> FileDescriptor {
    guard node.state == .live else { throw StoreError.stale(node.id) }
    let (mount, magic) = try filesystems.mount(node.filesystem)
    guard mode == .path || node.type == .regular || node.type == .directory else {
      throw StoreError.notOpenable(node.id, node.type)
    }
    let compares = node.handle.identity(on: magic)?.needsComparison ?? true
    do throws(Errno) {
      guard compares else {
        return try node.handle.open(on: mount.descriptor, flags: mode.flags)
      }
      return try openCompared(node, mode, mount, magic)
    } catch .staleHandle {
      try foundStale(node)
      throw StoreError.stale(node.id)
    } catch {
      throw StoreError(error, "opening node \(node.id)")
    }
  }

  /// Opens a file by a handle that may open another one than was meant.
  private func openCompared(
    _ node: Node, _ mode: OpenMode, _ mount: OwnedDescriptor, _ magic: FilesystemMagic
  ) throws(Errno) -> FileDescriptor {
    counters.count(.compared)
    let path = OwnedDescriptor(try node.handle.open(on: mount.descriptor, flags: SystemCalls.path))
    let found = try KernelFileHandle(of: path.descriptor)
    guard isSameFile(found, node.handle, magic),
      try FileStatus(of: path.descriptor).type == node.type
    else { throw .staleHandle }
    // Through the descriptor, so that it is the file that was compared.
    let again = FilePath("/proc/self/fd/\(path.descriptor.rawValue)")
    return mode == .path
      ? try path.descriptor.duplicated() : try SystemCalls.open(again, flags: mode.flags)
  }

  private func isSameFile(_ a: KernelFileHandle, _ b: KernelFileHandle, _ magic: FilesystemMagic)
    -> Bool
  {
    guard let a = a.identity(on: magic), let b = b.identity(on: magic) else { return a == b }
    return a.inode == b.inode && a.generation == b.generation
  }

  /// Retires a node whose file turned out to be gone. A store opened for reading leaves that to
  /// whoever writes.
  private func foundStale(_ node: Node) throws {
    guard let writer else { return }
    if try writer.perform(Retiring(id: node.id)) { counters.count(.retired) }
  }
}
