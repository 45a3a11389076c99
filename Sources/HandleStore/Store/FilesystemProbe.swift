internal import Glibc
public import SystemPackage

/// What a filesystem offers to a store, tried out on one of its directories.
///
/// ```swift
/// let probe = try FilesystemProbe(of: directory)
/// guard probe.isUsable else { throw ExportError.noHandles(probe.magic) }
/// ```
public struct FilesystemProbe: Sendable {
  /// The result of opening the directory by its handle.
  public enum Opening: Hashable, Sendable {
    /// The handle opened the same file.
    case same
    /// The handle opened another file, or one for which the kernel made no handle.
    case different
    /// The process lacks `CAP_DAC_READ_SEARCH`.
    case notPermitted
    /// The kernel refused to open the handle, or to make one.
    case refused(Errno)
  }

  /// The filesystem's kind.
  public let magic: FilesystemMagic
  /// The kind's name in the mount table, such as `ext4` or `fuse.sshfs`; empty if the table does
  /// not list the mount.
  public let type: String
  /// The mount point of the mount through which the directory was reached; empty if unknown.
  public let mountPoint: FilePath
  /// The directory's handle, or `nil` if there is none; ``opening`` says why.
  public let handle: KernelFileHandle?
  /// A connectable handle (Linux 6.13), or `nil` if there is none. It names the first regular file in
  /// the directory or, if there is no such file, the directory itself, whose handle needs no parent.
  public let connectable: KernelFileHandle?
  /// Why there is no ``connectable``, or `nil`.
  public let connectableObstacle: Errno?
  /// The result of opening ``handle``.
  public let opening: Opening
  /// Whether this library knows the layout of ``handle``, and so detects the reuse of an inode
  /// number by the generation in the handle. Handles of other layouts are compared whole.
  public let knowsLayout: Bool
  /// Whether the kernel refuses a handle with generation 0 if the file has another generation;
  /// `nil` if the layout is not known. If the kernel accepts it, the store checks which file it
  /// opened.
  public let checksGenerationZero: Bool?
  /// What distinguishes the filesystem from others, or `nil` if a store cannot attach it.
  public let identity: FilesystemIdentity?
  /// The error with which ``Store/attach(_:named:)`` would refuse the filesystem, or `nil`.
  public let identityObstacle: StoreError?

  /// Whether a file that is kept open gets its node again after it was given up (see
  /// ``KeptFiles/isNodeLasting(_:)``).
  public let keptNodesReturn: Bool

  /// Whether a store can register files of this filesystem and find them again.
  public var isUsable: Bool { opening == .same && identity != nil }

  /// Probes the filesystem that a directory is on.
  ///
  /// - Parameter descriptor: a directory, opened for reading.
  /// - Throws: ``StoreError/system(_:_:)`` with what `fstatfs(2)` gives: `EBADF`, `EIO`; and
  ///   ``StoreError/tooManyOpenFiles``, ``StoreError/system(_:_:)`` with `ENOMEM`. A filesystem without
  ///   handles is not an error.
  /// - Complexity: O(mounts + entries of the directory)
  public init(of descriptor: FileDescriptor) throws(StoreError) {
    let made = Self.handle("", descriptor, connectable: false)
    handle = made.parts.0
    let table: MountTable?
    do throws(Errno) {
      magic = try FilesystemStatus(of: descriptor).magic
      table = try Self.attempt { () throws(Errno) in try MountTable() }
      let mount = try Self.attempt { () throws(Errno) in
        try table?[FullStatus(of: descriptor).mount]
      }
      type = mount?.type ?? ""
      mountPoint = mount?.point ?? ""
      (connectable, connectableObstacle) =
        Self.handle(try Self.regularFile(in: descriptor), descriptor, connectable: true).parts
      opening = try Self.tryOpening(made, on: descriptor)
    } catch {
      throw StoreError(error, "asking for the filesystem of \(descriptor.words)")
    }
    let known = handle?.fileKey(on: magic)
    knowsLayout = known != nil
    checksGenerationZero = known.map { !$0.zeroIsWildcard }
    let magic = magic
    keptNodesReturn =
      (try? KernelFileHandle.identifying(descriptor, ""))?.isLasting(on: magic) ?? false
    (identity, identityObstacle) = Self.identity(of: descriptor, in: table).parts
    if let identityObstacle, identityObstacle.errno.isOfLimit { throw identityObstacle }
  }

  /// Returns what `body` returns, or `nil` if it fails. An error that says nothing about the filesystem is
  /// thrown.
  private static func attempt<R>(_ body: () throws(Errno) -> R?) throws(Errno) -> R? {
    do throws(Errno) {
      return try body()
    } catch {
      if error.isOfLimit { throw error }
      return nil
    }
  }

  private static func handle(
    _ name: FilePath, _ directory: FileDescriptor, connectable: Bool
  ) -> Result<KernelFileHandle, Errno> {
    do throws(Errno) {
      return .success(
        try KernelFileHandle.make(directory, name, connectable: connectable).handle)
    } catch {
      return .failure(error)
    }
  }

  /// Returns the name of a regular file in a directory, or `.` if there is none: connectable
  /// handles can only be made by name.
  private static func regularFile(in directory: FileDescriptor) throws(Errno) -> FilePath {
    let found = try attempt { () throws(Errno) -> FilePath? in
      let own = OwnedDescriptor(
        try SystemCalls.open(".", in: directory, flags: SystemCalls.directory))
      var entries = DirectoryEntries(of: own.descriptor)
      while let entry = try entries.read() {
        if entry.type == .regular { return entry.name }
      }
      return nil
    }
    return found ?? "."
  }

  private static func tryOpening(
    _ made: Result<KernelFileHandle, Errno>, on descriptor: FileDescriptor
  ) throws(Errno) -> Opening {
    do throws(Errno) {
      let handle = try made.get()
      let file = OwnedDescriptor(try handle.open(on: descriptor, flags: SystemCalls.path))
      return (try? KernelFileHandle.make(of: file.descriptor)) == handle ? .same : .different
    } catch {
      if error.isOfLimit { throw error }
      return error == .notPermitted ? .notPermitted : .refused(error)
    }
  }

  private static func identity(
    of descriptor: FileDescriptor, in table: MountTable?
  ) -> Result<FilesystemIdentity, StoreError> {
    do throws(StoreError) {
      return .success(try FilesystemIdentity.identify(descriptor, in: table).identity)
    } catch {
      return .failure(error)
    }
  }
}

extension Errno {
  /// Whether this process or the system has reached a limit.
  fileprivate var isOfLimit: Bool {
    [.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory].contains(self)
  }
}

extension Result {
  /// What there is: the value or the error.
  fileprivate var parts: (Success?, Failure?) {
    switch self {
    case .success(let value): (value, nil)
    case .failure(let error): (nil, error)
    }
  }
}
