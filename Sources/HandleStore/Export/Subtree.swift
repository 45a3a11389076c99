internal import SystemPackage

/// A directory with everything below it on one filesystem. What is mounted below it is not part of
/// it.
///
/// Opens files by their handles, and decides which of them are inside.
final class Subtree: Sendable {
  let filesystem: FilesystemID
  let magic: FilesystemMagic
  /// The index of the subtree among the layers of its export.
  let layer: Int
  let rootHandle: KernelFileHandle
  let containment: Containment
  /// Whether the root is the root of the filesystem.
  let isWhole: Bool
  /// The descriptor through which files are opened: the root, on a private mount if there is one.
  let root: OwnedDescriptor
  /// Keeps the private mount alive.
  private let tree: OwnedDescriptor?
  /// Whether ``root`` is on a private mount, on which nothing else is mounted.
  let isPrivate: Bool
  /// Whether to ask the kernel what is below the root of the private mount.
  var asksKernel: Bool { isPrivate && containment != .walk }
  /// Whether the kernel can be asked to find a name that is inside.
  let findsNames: Bool
  let rootStatus: FullStatus
  /// `/proc/self/fd`.
  let descriptors: OwnedDescriptor
  let verified: VerifiedFiles?

  /// Opens a subtree by its root, an open directory that stays the caller's.
  ///
  /// - Parameters:
  ///   - containment: how to check that files are inside; `nil` for the cheapest exact way that is
  ///     available.
  ///   - isWhole: whether the root is the root of the filesystem.
  /// - Throws: `EOPNOTSUPP` if the containment is not available, and the errors of the system calls.
  init(
    root directory: FileDescriptor, handle rootHandle: KernelFileHandle,
    on filesystem: FilesystemID, magic: FilesystemMagic, layer: Int,
    containment wanted: Containment?, isWhole: Bool
  ) throws(Errno) {
    self.filesystem = filesystem
    self.magic = magic
    self.layer = layer
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

  /// Returns the result of a call, or `nil` if this user or kernel cannot make the call.
  private static func available<R>(_ call: () throws(Errno) -> R) throws(Errno) -> R? {
    do throws(Errno) {
      return try call()
    } catch .notPermitted, .invalidArgument, .noFunction, .operationNotSupportedByDevice,
      .improperLink, .notSupported
    {
      return nil
    }
  }

  /// Watches the filesystem of the root, if its events say enough. The handles in events are
  /// compared with others, so their layout has to be known. Changes made on another host, or by a
  /// server, cause no events here.
  private static func watch(
    _ root: FileDescriptor, _ magic: FilesystemMagic
  ) throws(Errno) -> RenameWatch? {
    guard [.ext, .xfs, .btrfs, .f2fs, .tmpfs].contains(magic) else { return nil }
    return try available { () throws(Errno) in try RenameWatch(filesystemOf: root) }
  }

  /// Returns whether an open file is the root.
  func isRoot(_ status: FileStatus) -> Bool { status.isOfSameFile(as: rootStatus.file) }
}

extension Subtree {
  /// Opens a name in a directory. Returns `nil` if the name does not exist. Does not follow a
  /// symbolic link, and does not cross a mount point.
  func find(
    _ name: FilePath, in directory: OwnedDescriptor, flags: CInt = SystemCalls.path,
    mode: UInt32 = 0
  ) throws -> OpenedFile? {
    do throws(Errno) {
      let fd = try SystemCalls.openName(name, in: directory.descriptor, flags: flags, mode: mode)
      return try OpenedFile(fd, handle: .make(of: fd.descriptor), layer: layer)
    } catch .noSuchFileOrDirectory, .staleHandle, .notSupported {
      return nil
    } catch .improperLink {
      throw StoreError.mountPoint(name)
    } catch {
      throw StoreError(error, "looking up \(name)")
    }
  }
}
