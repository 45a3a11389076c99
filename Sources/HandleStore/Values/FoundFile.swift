public import SystemPackage

/// A file as it was found, by a name or by a descriptor: what the store needs to register it. The
/// handle and the status must belong to the same file. The initializers that read them make sure of
/// that, even if another file takes the name meanwhile.
public struct FoundFile: Sendable {
  /// The file's handle. A connectable handle names the same file as a plain one.
  public var handle: KernelFileHandle
  /// The file's status, taken with its handle.
  public var status: FileStatus
  /// The node of the directory in which the file was found, if known.
  public var parent: NodeID?
  /// The id of the mount through which the file was reached; `nil` after
  /// ``init(handle:status:parent:)``. It differs from that of the directory if the name is a mount
  /// point. Compare two ids only while both mounts exist. Never persisted.
  public private(set) var mount: Int32?

  /// Makes a value from a handle and a status that the server already has.
  public init(handle: KernelFileHandle, status: FileStatus, parent: NodeID? = nil) {
    self.handle = handle
    self.status = status
    self.parent = parent
  }

  /// Reads handle and status of an open file (`name_to_handle_at(2)`, `statx(2)`); `O_PATH` too.
  ///
  /// - Throws: ``StoreError/system(_:_:)`` with `EOPNOTSUPP` if the filesystem has no handles, with
  ///   `EOVERFLOW` if the handle would be larger than 128 bytes, with `EBADF`.
  /// - Complexity: two system calls, about 1.5 µs. Any thread.
  public init(of descriptor: FileDescriptor, parent: NodeID? = nil) throws(StoreError) {
    do throws(Errno) {
      try self.init(reading: descriptor, parent: parent)
    } catch {
      throw StoreError(error, "making the handle of \(descriptor.words)")
    }
  }

  private init(reading descriptor: FileDescriptor, parent: NodeID?) throws(Errno) {
    (handle, mount) = try KernelFileHandle.make(descriptor, "")
    status = try FullStatus(of: descriptor).file
    self.parent = parent
  }

  /// Reads handle and status of a name in a directory. A symbolic link is not followed. The file is
  /// opened only as a path (`O_PATH | O_NOFOLLOW`), which has no side effects on it.
  ///
  /// - Parameters:
  ///   - name: one component, not `.` or `..`.
  ///   - directory: an open directory, `O_PATH` too.
  ///   - parent: the node of the directory that has the file, if known.
  /// - Throws: ``StoreError/badName(_:)`` if `name` is anything else, what ``init(of:parent:)``
  ///   throws, ``StoreError/system(_:_:)`` with `ENOENT`, `ENOTDIR`, `EACCES`, and
  ///   ``StoreError/tooManyOpenFiles``.
  /// - Complexity: four system calls, about 4 µs. Any thread.
  public init(
    name: FilePath, in directory: FileDescriptor, parent: NodeID? = nil
  ) throws(StoreError) {
    guard name.isOneName else { throw .badName(name) }
    try self.init(resolving: name, in: directory, parent: parent)
  }

  /// Reads handle and status of the file at a path, without confining it: an absolute path starts
  /// at the root of the process, `..` goes up, and symbolic links are followed except at the end.
  /// For the server's own paths; never pass a path that a client sent.
  ///
  /// - Parameters:
  ///   - path: an absolute path, or one that starts in `directory`.
  ///   - directory: an open directory, `O_PATH` too.
  ///   - parent: the node of the directory that has the file, if known.
  /// - Throws: what ``init(name:in:parent:)`` throws, and ``StoreError/system(_:_:)`` with `ELOOP`.
  /// - Complexity: four system calls, about 4 µs. Any thread.
  public init(
    resolving path: FilePath, in directory: FileDescriptor, parent: NodeID? = nil
  ) throws(StoreError) {
    do throws(Errno) {
      try path.requireNotEmpty()
      let file = OwnedDescriptor(
        try SystemCalls.open(path, in: directory, flags: SystemCalls.pathOfName))
      try self.init(reading: file.descriptor, parent: parent)
    } catch {
      throw StoreError(error, "making the handle of \(path.words)")
    }
  }

  /// Returns the id of the mount on which the file at a path lies (`statx(2)`), comparable with
  /// ``mount``. Works even if the filesystem has no handles. The path is resolved as by
  /// ``init(resolving:in:parent:)``.
  ///
  /// - Throws: ``StoreError/system(_:_:)`` with `ENOENT`, `ENOTDIR`, `EACCES`.
  /// - Complexity: one system call. Any thread.
  public static func mount(
    resolving path: FilePath, in directory: FileDescriptor
  ) throws(StoreError) -> Int32 {
    Int32(truncatingIfNeeded: try FullStatus.resolving(path, in: directory).mount)
  }
}

extension FoundFile {
  /// Whether the file may also have names in directories other than the one in which it was found.
  var mayHaveFurtherParents: Bool {
    parent != nil && status.links > 1 && status.type != .directory
  }

  /// Whether registering the file changes the parent in the record of its node. If the file has
  /// several names, the recorded parent stays, and the new one becomes a further parent.
  func moves(_ record: Record) -> Bool {
    guard let parent, record.parent != parent else { return false }
    return record.parent == nil || status.type == .directory || status.links <= 1
  }

  /// Whether the file was found in a directory other than the one on record, and may have names in
  /// both.
  func hasFurtherParent(_ record: Record) -> Bool {
    parent != nil && record.parent != parent && !moves(record)
  }
}
