internal import Glibc
public import SystemPackage

/// What a filesystem can do for a store, tried on one directory of it.
///
/// ```swift
/// let probe = try FilesystemProbe(of: directory)
/// guard probe.isUsable else { throw ExportError.noHandles(probe.magic) }
/// ```
public struct FilesystemProbe: Sendable {
  /// What came of opening the file's handle again.
  public enum Opening: Hashable, Sendable {
    /// It opened the same file.
    case same
    /// It opened another file, or one of which no handle could be made.
    case different
    /// The process lacks `CAP_DAC_READ_SEARCH`.
    case notPermitted
    /// The kernel refused it, or there is no handle to open.
    case refused(Errno)
  }

  /// What tells the filesystem from others.
  public struct Identity: Hashable, Sendable {
    /// Its UUID, or where it has none the id of `statfs(2)`; in hexadecimal.
    public let uuid: String
    /// Whether ``uuid`` is a UUID: the id of `statfs(2)` may be another one after a remount.
    public let isUUID: Bool
    /// The handle of its root directory, where a mount shows that.
    public let root: KernelFileHandle?
    /// The device it is on, as far as that has a name that outlives a reboot; else empty.
    public let volume: String
  }

  /// The filesystem's kind.
  public let magic: FilesystemMagic
  /// The kind's name in the mount table, such as `ext4` or `fuse.sshfs`; empty where the mount
  /// is not there.
  public let type: String
  /// Where the mount is through which the directory was reached; empty where that is not known.
  public let mountPoint: FilePath
  /// The directory's handle, or why there is none.
  public let handle: Result<KernelFileHandle, Errno>
  /// A connectable handle (Linux 6.13), or why there is none. It is of the first regular file in the
  /// directory, or where there is none of the directory itself, which needs no parent in its handle.
  public let connectable: Result<KernelFileHandle, Errno>
  /// What came of opening ``handle`` again.
  public let opening: Opening
  /// Whether this library knows the layout of ``handle``, and so sees the reuse of an inode number by
  /// the generation in it. Handles of other layouts are compared whole.
  public let knowsLayout: Bool
  /// Whether the kernel refuses a handle with generation 0 where the file has another; `nil` where the
  /// layout is not known. Where it does not, the store compares what it opened.
  public let checksGenerationZero: Bool?
  /// What tells the filesystem from others, or why ``Store/attach(_:)`` would refuse it.
  public let identity: Result<Identity, StoreError>

  /// Whether a store can keep files of this filesystem and find them again.
  public var isUsable: Bool { opening == .same && (try? identity.get()) != nil }

  /// Tries it.
  ///
  /// - Parameter descriptor: a directory, opened for reading.
  /// - Throws: what `fstatfs(2)` gives: `EBADF`, `EIO`. That there are no handles is not an error.
  /// - Complexity: O(mounts + entries of the directory)
  public init(of descriptor: FileDescriptor) throws(Errno) {
    magic = try FilesystemStatus(of: descriptor).magic
    let mount = Self.mount(of: descriptor)
    type = mount?.type ?? ""
    mountPoint = mount?.point ?? ""
    let made = Self.handle("", descriptor, connectable: false)
    handle = made
    connectable = Self.handle(Self.regularFile(in: descriptor), descriptor, connectable: true)
    opening = Self.tryOpening(made, on: descriptor)
    let known = (try? made.get())?.identity(on: magic)
    knowsLayout = known != nil
    checksGenerationZero = known.map { !$0.zeroIsWildcard }
    identity = Self.identity(of: descriptor, magic)
  }

  private static func mount(of descriptor: FileDescriptor) -> Mount? {
    guard let id = try? FullStatus(of: descriptor).mount, let table = try? MountTable() else {
      return nil
    }
    return table[id]
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

  /// The name of a regular file in a directory, or `.`: connectable handles are made by name only.
  private static func regularFile(in directory: FileDescriptor) -> FilePath {
    guard
      let own = try? OwnedDescriptor(
        SystemCalls.open(".", in: directory, flags: SystemCalls.directory))
    else { return "." }
    var entries = DirectoryEntries(of: own.descriptor)
    while let entry = try? entries.next() {
      if entry.type == .regular { return entry.name }
    }
    return "."
  }

  private static func tryOpening(
    _ made: Result<KernelFileHandle, Errno>, on descriptor: FileDescriptor
  ) -> Opening {
    do throws(Errno) {
      let handle = try made.get()
      let file = OwnedDescriptor(try handle.open(on: descriptor, flags: SystemCalls.path))
      return (try? KernelFileHandle(of: file.descriptor)) == handle ? .same : .different
    } catch .notPermitted {
      return .notPermitted
    } catch {
      return .refused(error)
    }
  }

  private static func identity(
    of descriptor: FileDescriptor, _ magic: FilesystemMagic
  ) -> Result<Identity, StoreError> {
    do throws(Errno) {
      let found = try FilesystemIdentity.of(descriptor).identity
      return .success(
        Identity(
          uuid: Hexadecimal.string(found.uuid), isUUID: found.isUUID, root: found.root,
          volume: found.volume))
    } catch .notSupported {
      return .failure(.noHandles(magic))
    } catch {
      return .failure(StoreError(error, "identifying the filesystem"))
    }
  }
}
