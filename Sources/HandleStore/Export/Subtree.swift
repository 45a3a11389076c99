internal import SystemPackage

/// A directory with all that is below it, on one filesystem; what is mounted below it is not in it.
///
/// Opens files by their handles and tells which of them are inside.
final class Subtree: Sendable {
  let filesystem: FilesystemID
  let magic: FilesystemMagic
  let rootHandle: KernelFileHandle
  let containment: Containment
  /// Whether the root is the filesystem's.
  let isWhole: Bool
  /// What files are opened through: the root, on a private mount where there is one.
  let root: OwnedDescriptor
  /// Keeps the private mount.
  private let tree: OwnedDescriptor?
  /// Whether ``root`` is on a private mount, on which nothing else is mounted.
  let isPrivate: Bool
  /// Whether the kernel is asked what is below the root of the private mount.
  var asksKernel: Bool { isPrivate && containment != .walk }
  /// Whether the kernel looks for a name that is inside, where it is asked to.
  let findsNames: Bool
  let rootStatus: FullStatus
  /// `/proc/self/fd`.
  let descriptors: OwnedDescriptor
  let verified: VerifiedFiles?

  /// A subtree by its root, an open directory that stays the caller's.
  ///
  /// - Parameters:
  ///   - wanted: how to keep files in it; `nil` for the cheapest way that is exact and can be had.
  ///   - isWhole: whether the root is the filesystem's.
  init(
    root directory: FileDescriptor, _ rootHandle: KernelFileHandle, on filesystem: FilesystemID,
    _ magic: FilesystemMagic, _ wanted: Containment?, isWhole: Bool
  ) throws(Errno) {
    self.filesystem = filesystem
    self.magic = magic
    self.rootHandle = rootHandle
    self.isWhole = isWhole
    descriptors = OwnedDescriptor(
      try SystemCalls.open("/proc/self/fd", flags: SystemCalls.directory))
    let mount = try Self.available { () throws(Errno) in
      try SystemCalls.cloneMount(of: directory)
    }
    tree = mount?.tree
    isPrivate = mount != nil
    if let mount {
      root = mount.root
      findsNames = try Self.findsNames(mount.root, rootHandle)
    } else {
      root = OwnedDescriptor(
        try SystemCalls.open(".", in: directory, flags: SystemCalls.directory))
      findsNames = false
    }
    rootStatus = try FullStatus(of: root.descriptor)
    let watch = wanted == .cached ? try Self.watch(root.descriptor, magic) : nil
    verified = watch.map { VerifiedFiles($0, on: magic) }
    let available: [Containment] =
      (isWhole ? [.wholeFilesystem] : []) + (isPrivate ? [.kernel] : [])
      + (watch == nil ? [] : [.cached]) + [.walk]
    guard let chosen = wanted ?? available.first, available.contains(chosen) else {
      throw .notSupported
    }
    containment = chosen
  }

  private static func findsNames(
    _ mount: OwnedDescriptor, _ root: KernelFileHandle
  ) throws(Errno) -> Bool {
    do throws(Errno) {
      SystemCalls.close(
        try root.open(on: mount.descriptor, flags: SystemCalls.path, below: true))
      return true
    } catch .staleHandle, .invalidArgument {
      return false
    }
  }

  /// What a call gives that this user or kernel need not be able to do, or `nil`.
  private static func available<R>(_ call: () throws(Errno) -> R) throws(Errno) -> R? {
    do throws(Errno) {
      return try call()
    } catch .notPermitted, .invalidArgument, .noFunction, .operationNotSupportedByDevice,
      .improperLink, .notSupported
    {
      return nil
    }
  }

  /// The handles in events are compared with others, so they have to be of a known layout; and what is
  /// done on another host, or by a server, has no events here.
  private static func watch(
    _ root: FileDescriptor, _ magic: FilesystemMagic
  ) throws(Errno) -> RenameWatch? {
    guard [.ext, .xfs, .btrfs, .f2fs, .tmpfs].contains(magic) else { return nil }
    return try available { () throws(Errno) in try RenameWatch(filesystemOf: root) }
  }

  /// Whether an open file is the root.
  func isRoot(_ status: FullStatus) -> Bool {
    status.inode == rootStatus.inode && status.device == rootStatus.device
  }
}

/// A file of a subtree's filesystem, opened as a path.
struct SubtreeFile {
  let descriptor: OwnedDescriptor
  let status: FullStatus
  let handle: KernelFileHandle

  init(_ descriptor: OwnedDescriptor, _ handle: KernelFileHandle) throws(Errno) {
    self.descriptor = descriptor
    self.handle = handle
    status = try FullStatus(of: descriptor.descriptor)
  }

  var type: FileType { FileMode(rawValue: status.mode).type }
}

extension Subtree {
  /// Opens a handle as a path, and sees that the file is the one that it was made for.
  ///
  /// - Parameter below: see `KernelFileHandle.open`.
  func open(_ handle: KernelFileHandle, below: Bool = false) throws -> SubtreeFile {
    let file: SubtreeFile
    do throws(Errno) {
      file = try SubtreeFile(
        OwnedDescriptor(
          handle.open(on: root.descriptor, flags: SystemCalls.path, below: below)), handle)
    } catch .staleHandle {
      throw GateRefusal.stale
    } catch .invalidArgument {
      throw GateRefusal.handleType
    } catch {
      throw StoreError(error, "opening handle \(handle)")
    }
    guard try isSame(file, handle) else { throw GateRefusal.replaced }
    return file
  }

  private func isSame(_ file: SubtreeFile, _ handle: KernelFileHandle) throws -> Bool {
    guard handle.identity(on: magic)?.needsComparison ?? true else { return true }
    return try KernelFileHandle(of: file.descriptor.descriptor)
      .isOfSameFile(as: handle, on: magic)
  }

  /// Opens a name in a directory; `nil` where it is nothing. A symbolic link is not followed, and a mount
  /// point is not crossed.
  func find(
    _ name: FilePath, in directory: OwnedDescriptor, flags: CInt = SystemCalls.path,
    mode: UInt32 = 0
  ) throws -> SubtreeFile? {
    do throws(Errno) {
      let fd = try SystemCalls.openName(name, in: directory.descriptor, flags: flags, mode: mode)
      return try SubtreeFile(fd, KernelFileHandle(of: fd.descriptor))
    } catch .noSuchFileOrDirectory, .staleHandle, .notSupported {
      return nil
    } catch .improperLink {
      throw StoreError.mountPoint(name)
    } catch {
      throw StoreError(error, "looking up \(name)")
    }
  }
}
