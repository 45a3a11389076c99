internal import Glibc
public import SystemPackage

/// How a node's file is opened (`open(2)`), always with `O_CLOEXEC`.
public enum OpenMode: Sendable, CaseIterable {
  /// `O_PATH`: a reference to a file of any type. It gives the file's status and can be used as a
  /// directory, but it cannot be read. It has no effect on the file.
  case path
  /// `O_RDONLY`; also for a directory.
  case readOnly
  /// `O_WRONLY`.
  case writeOnly
  /// `O_RDWR`.
  case readWrite

  var flags: CInt {
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
  /// If the file turns out to be gone, the node is retired, unless the filesystem cannot be read at
  /// all: then this throws that error. Some handles may open another file than they name: those
  /// with generation 0 if the kernel takes 0 for "any" (ext4, f2fs, btrfs, a layer of overlayfs),
  /// and those whose layout this library does not know. For these, the file is first opened as a
  /// path and its handle is made again; if that differs, the file is gone.
  ///
  /// - Parameters:
  ///   - id: the node.
  ///   - mode: how to open the file. Files other than regular files and directories are opened only
  ///     as ``OpenMode/path``.
  /// - Returns: a descriptor, which the caller must close.
  /// - Throws: ``StoreError/stale(_:)``, ``StoreError/unknownNode(_:)``,
  ///   ``StoreError/notAttached(_:)``, ``StoreError/notOpenable(_:_:)``,
  ///   ``StoreError/tooManyOpenFiles``, ``StoreError/notPermitted(_:)`` without
  ///   `CAP_DAC_READ_SEARCH`, ``StoreError/system(_:_:)`` with what `open(2)` gave.
  /// - Complexity: a ``node(_:)`` and one system call; for a handle that is compared one more, or
  ///   three more to read or write.
  public func open(
    _ id: NodeID, as mode: OpenMode = .path
  ) throws(StoreError) -> FileDescriptor {
    try withStoreErrors {
      let start = SystemCalls.now
      guard var node = try find(id) else { throw StoreError.unknownNode(id) }
      while true {
        guard node.state == .live else { throw StoreError.stale(id) }
        guard mode == .path || node.type == .regular || node.type == .directory else {
          throw StoreError.notOpenable(id, node.type)
        }
        if let file = try openKept(node, as: mode) { return file }
        try requireNotLost(node)
        let (mount, magic) = try filesystems.mount(node.filesystem)
        do throws(Errno) {
          let descriptor = try open(node.handle, mode, on: mount, magic: magic)
          counters.record(SystemCalls.now - start, in: .openTimes)
          return descriptor
        } catch .staleHandle {
          try requireAnswer(mount)
          guard let other = try retireUnlessCopiedUp(node) else { throw StoreError.stale(id) }
          node = other
        } catch {
          throw StoreError(error, "opening node \(id)")
        }
      }
    }
  }

  /// Opens a file by a handle that need not be registered. The handle is trusted: it may name any
  /// file on the filesystem.
  ///
  /// - Parameters:
  ///   - handle: the handle, connectable or not.
  ///   - filesystem: the filesystem that the handle is of.
  ///   - mode: how to open the file. Read or write only regular files and directories: opening any
  ///     other file may have side effects.
  /// - Returns: a descriptor, which the caller must close.
  /// - Throws: ``StoreError/staleHandle(_:)``, and what ``open(_:as:)`` throws.
  /// - Complexity: one system call; for a handle that is compared one more, or three more to read
  ///   or write.
  public func open(
    _ handle: KernelFileHandle, on filesystem: FilesystemID, as mode: OpenMode = .path
  ) throws(StoreError) -> FileDescriptor {
    try withStoreErrors {
      let (mount, magic) = try filesystems.mount(filesystem)
      do throws(Errno) {
        return try open(handle, mode, on: mount, magic: magic)
      } catch .staleHandle {
        throw StoreError.staleHandle(handle)
      } catch {
        throw StoreError(error, "opening handle \(handle)")
      }
    }
  }

  func open(
    _ handle: KernelFileHandle, _ mode: OpenMode, on mount: OwnedDescriptor,
    magic: FilesystemMagic
  ) throws(Errno) -> FileDescriptor {
    let compares = handle.fileKey(on: magic)?.needsComparison ?? true
    let descriptor =
      compares
      ? try openCompared(handle, mode, on: mount, magic: magic)
      : try handle.open(on: mount.descriptor, flags: mode.flags)
    counters.count(.opened)
    return descriptor
  }

  /// Opens a file by a handle that may open another file than the one it names.
  private func openCompared(
    _ handle: KernelFileHandle, _ mode: OpenMode, on mount: OwnedDescriptor,
    magic: FilesystemMagic
  ) throws(Errno) -> FileDescriptor {
    counters.count(.compared)
    let path = try handle.open(on: mount.descriptor, flags: SystemCalls.path)
    do throws(Errno) {
      guard try KernelFileHandle.make(of: path).isOfSameFile(as: handle, on: magic) else {
        throw .staleHandle
      }
      if mode == .path { return path }
      // Goes through the descriptor, so that this is the file that was compared.
      let file = try SystemCalls.open(
        FilePath("/proc/self/fd/\(path.rawValue)"), flags: mode.flags)
      SystemCalls.close(path)
      return file
    } catch {
      SystemCalls.close(path)
      throw error
    }
  }

  /// Throws if the filesystem cannot be read. The kernel also reports ESTALE when it could not read
  /// the inode. So before the store concludes anything from ESTALE, this checks that the filesystem
  /// was not shut down and that its server has not died. It does not notice a single bad block.
  func requireAnswer(_ mount: OwnedDescriptor) throws {
    do throws(Errno) {
      let root = OwnedDescriptor(
        try SystemCalls.open(".", in: mount.descriptor, flags: SystemCalls.directory))
      var entries = DirectoryEntries(of: root.descriptor)
      _ = try entries.read()
    } catch .noSuchFileOrDirectory {
      // The directory was removed, and the filesystem has answered.
    } catch .notDirectory {
      _ = try FullStatus(of: mount.descriptor)
    } catch {
      throw StoreError(error, "reading the filesystem")
    }
  }

  /// Retires a node whose file turned out to be gone, unless the node has another file by now,
  /// because the file was copied up meanwhile. A store opened for reading leaves retiring to the
  /// writer. If the store cannot be written because the disk is full, the next open of the node
  /// finds the same.
  ///
  /// - Returns: the node with its other file, or `nil` if it has none.
  func retireUnlessCopiedUp(_ node: Node) throws -> Node? {
    if !isReadOnly, (try? index.retire(node.id, ifItIs: node)) == true {
      counters.count(.retired)
    }
    guard let now = try find(node.id), now.state == .live,
      now.filesystem != node.filesystem || now.handle != node.handle
    else { return nil }
    return now
  }
}
