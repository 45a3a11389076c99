public import SystemPackage

// The system calls that users of the library can make. The types in `Kernel` throw a bare `Errno`.
// The calls here turn it into a `StoreError`, which also says what was being done.

extension KernelFileHandle {
  /// Makes the handle of an open file of any kind, `O_PATH` too (`name_to_handle_at(2)`).
  ///
  /// - Throws: ``StoreError/system(_:_:)`` with `EOPNOTSUPP` if the filesystem has no handles, with
  ///   `EOVERFLOW` if the handle would be larger than 128 bytes, with `EBADF`.
  /// - Complexity: one system call, about a microsecond. Any thread.
  public init(of descriptor: FileDescriptor) throws(StoreError) {
    do throws(Errno) {
      self = try .make(of: descriptor)
    } catch {
      throw StoreError(error, "making the handle of \(descriptor.words)")
    }
  }

  /// Makes the handle of a name in a directory (`name_to_handle_at(2)`). A symbolic link is not
  /// followed.
  ///
  /// - Parameters:
  ///   - name: one component, not `.` or `..`.
  ///   - directory: an open directory, `O_PATH` too.
  ///   - connectable: whether to ask for a handle that also names the parent
  ///     (`AT_HANDLE_CONNECTABLE`, Linux 6.13; ext4, XFS and btrfs). The kernel makes one only by
  ///     name, not from a descriptor.
  /// - Throws: ``StoreError/badName(_:)`` if `name` is anything else, what ``init(of:)`` throws, and
  ///   ``StoreError/system(_:_:)`` with `ENOENT`, `ENOTDIR`, `EACCES`.
  public init(
    name: FilePath, in directory: FileDescriptor, connectable: Bool = false
  ) throws(StoreError) {
    guard name.isOneName else { throw .badName(name) }
    try self.init(resolving: name, in: directory, connectable: connectable)
  }

  /// Makes the handle of the file at a path (`name_to_handle_at(2)`), resolved as by
  /// ``FoundFile/init(resolving:in:parent:)``. Never pass a path that a client sent.
  ///
  /// - Throws: what ``init(name:in:connectable:)`` throws.
  public init(
    resolving path: FilePath, in directory: FileDescriptor, connectable: Bool = false
  ) throws(StoreError) {
    do throws(Errno) {
      try path.requireNotEmpty()
      self = try Self.make(directory, path, connectable: connectable).handle
    } catch {
      throw StoreError(error, "making the handle of \(path.words)")
    }
  }
}

/// Handles that name a file, and that need not open it.
extension KernelFileHandle {
  /// Makes a handle to compare an open file with others, also on a filesystem that cannot open
  /// handles: the handle that opens the file if there is one, else one that only names it
  /// (`AT_HANDLE_FID`, Linux 6.5), else one of the type ``HandleType/inodeAndDevice``.
  ///
  /// - Parameter descriptor: a file of any kind, `O_PATH` too.
  /// - Throws: ``StoreError/system(_:_:)`` with `EBADF`, `EIO`.
  /// - Complexity: one system call; two or three if the filesystem cannot open handles. Any thread.
  public init(identifying descriptor: FileDescriptor) throws(StoreError) {
    do throws(Errno) {
      self = try .identifying(descriptor, "")
    } catch {
      throw StoreError(error, "identifying \(descriptor.words)")
    }
  }

  /// Makes the same handle for a name in a directory. A symbolic link is not followed.
  ///
  /// - Throws: ``StoreError/badName(_:)`` if `name` is not one component, and
  ///   ``StoreError/system(_:_:)`` with `ENOENT`, `ENOTDIR`, `EACCES`.
  public init(identifying name: FilePath, in directory: FileDescriptor) throws(StoreError) {
    guard name.isOneName else { throw .badName(name) }
    do throws(Errno) {
      self = try .identifying(directory, name)
    } catch {
      throw StoreError(error, "identifying \(name.words)")
    }
  }
}

extension FileStatus {
  /// Reads the status of an open file of any kind, `O_PATH` too (`statx(2)`).
  ///
  /// - Throws: ``StoreError/system(_:_:)`` with `EBADF`, `EIO`.
  /// - Complexity: one system call. Any thread.
  public init(of descriptor: FileDescriptor) throws(StoreError) {
    do throws(Errno) {
      self = try FullStatus(of: descriptor).file
    } catch {
      throw StoreError(error, "reading the status of \(descriptor.words)")
    }
  }

  /// Reads the status of a name in a directory (`statx(2)`). A symbolic link is not followed.
  ///
  /// - Parameters:
  ///   - name: one component, not `.` or `..`.
  ///   - directory: an open directory, `O_PATH` too.
  /// - Throws: ``StoreError/badName(_:)`` if `name` is anything else, and
  ///   ``StoreError/system(_:_:)`` with what `statx(2)` gives.
  /// - Complexity: one system call. Any thread.
  public init(name: FilePath, in directory: FileDescriptor) throws(StoreError) {
    guard name.isOneName else { throw .badName(name) }
    try self.init(resolving: name, in: directory)
  }

  /// Reads the status of the file at a path (`statx(2)`), resolved as by
  /// ``FoundFile/init(resolving:in:parent:)``. Never pass a path that a client sent.
  ///
  /// - Throws: ``StoreError/system(_:_:)`` with what `statx(2)` gives.
  /// - Complexity: one system call. Any thread.
  public init(resolving path: FilePath, in directory: FileDescriptor) throws(StoreError) {
    self = try FullStatus.resolving(path, in: directory).file
  }
}

extension FullStatus {
  /// Reads the status of the file at a path that a user of the library gave.
  static func resolving(
    _ path: FilePath, in directory: FileDescriptor
  ) throws(StoreError) -> FullStatus {
    do throws(Errno) {
      try path.requireNotEmpty()
      return try FullStatus(directory, path)
    } catch {
      throw StoreError(error, "reading the status of \(path.words)")
    }
  }
}

extension DescriptorPath {
  /// Asks the kernel for the path of an open file.
  ///
  /// The path is `/` if the kernel does not know one: the file was opened by its handle, and no
  /// process has looked it up by a name since its inode was read.
  ///
  /// - Throws: ``StoreError/system(_:_:)`` with `ENOENT` if the descriptor is not open, with
  ///   `ENAMETOOLONG` if the path has more than 4,095 bytes.
  /// - Complexity: one system call, about 3 µs. Any thread.
  public init(of descriptor: FileDescriptor) throws(StoreError) {
    do throws(Errno) {
      self = try .read(of: descriptor)
    } catch {
      throw StoreError(error, "asking for the path of \(descriptor.words)")
    }
  }
}

extension DirectoryEntries {
  /// Returns the next entry, or `nil` at the end.
  ///
  /// - Throws: ``StoreError/system(_:_:)`` with what `getdents64(2)` gives: `ENOTDIR`, `EBADF`,
  ///   `EIO`.
  /// - Complexity: O(1), and a system call for each 32 KiB.
  public mutating func next() throws(StoreError) -> Entry? {
    do throws(Errno) {
      return try read()
    } catch {
      throw StoreError(error, "reading the entries of \(descriptor.words)")
    }
  }
}

extension MountEntry {
  /// Returns all mounts, in the order of the table: of several on one mount point, the last is on
  /// top. Reading the table asks no filesystem, so it waits for none that is stuck.
  ///
  /// - Throws: ``StoreError/system(_:_:)`` with what `open(2)` and `read(2)` give for
  ///   `/proc/self/mountinfo`, ``StoreError/tooManyOpenFiles``.
  /// - Complexity: O(mounts). Any thread.
  public static func all() throws(StoreError) -> [MountEntry] {
    do throws(Errno) {
      return try read()
    } catch {
      throw StoreError(error, "reading /proc/self/mountinfo")
    }
  }
}

extension FilePath {
  /// Throws if the path is empty: the kernel would take it for the directory itself.
  func requireNotEmpty() throws(Errno) {
    guard !isEmpty else { throw .noSuchFileOrDirectory }
  }

  /// The path for an error: quoted, because it may be empty or have a line break in it.
  var words: String { string.debugDescription }
}

extension FileDescriptor {
  /// The descriptor for an error.
  var words: String { "file descriptor \(rawValue)" }
}
