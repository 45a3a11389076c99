internal import HandleStore
internal import Logging
internal import SystemPackage

/// The directory that is shown, and the store that knows its files.
struct Source {
  /// How the server gets from a node to its file.
  enum Way {
    case byHandle(Export)
    case keptOpen(KeptFiles)
  }

  let store: Store
  let way: Way
  private let parking: Parking
  let filesystem: FilesystemID
  /// The node of the directory.
  let root: NodeID

  /// - Parameter keptFiles: how many files to keep open at most, if they cannot be opened by handle.
  init(_ options: MountOptions, _ session: SessionDescriptors, keptFiles: Int) throws {
    let source = session.source
    parking = Parking(socket: session.parking)
    let keepsOpen = try Self.keepsOpen(options, source)
    store = try Self.openStore(
      FilePath("/proc/self/fd/\(session.store.rawValue)"),
      StoreOptions(
        retention: options.nodes > 0 ? .nodes(NodeBound.most(of: options.nodes)) : .forever))
    if keepsOpen {
      let kept = try store.keepFiles(below: source, limit: keptFiles, parking: parking)
      (way, filesystem, root) = (.keptOpen(kept), kept.filesystem, kept.root)
      return
    }
    (filesystem, root, way) = try Self.export(options, source, in: store)
  }

  /// The source of a guest's mount, in the store that this process has open.
  init(_ options: MountOptions, _ session: SessionDescriptors, guestOf host: Source) throws {
    guard host.kept == nil, try !Self.keepsOpen(options, session.source) else {
      throw CommandError(
        "\(options.store) is in use by another mount; only mounts whose files are opened by their "
          + "handles can share a store: use another one, or a bind mount", .store)
    }
    (store, parking) = (host.store, Parking(socket: session.parking))
    (filesystem, root, way) = try Self.export(options, session.source, in: store)
  }

  private static func export(
    _ options: MountOptions, _ source: FileDescriptor, in store: Store
  ) throws -> (FilesystemID, NodeID, Way) {
    let filesystem = try store.attach(source)
    // An earlier server may have registered files of the filesystems that are mounted below.
    if options.crossMounts { try attachMounts(below: options.source, to: store) }
    let export = try export(of: source, on: filesystem, options, in: store)
    return (filesystem, export.root, .byHandle(export))
  }

  /// The files that are kept open; `nil` if files are opened by their handles.
  var kept: KeptFiles? {
    if case .keptOpen(let kept) = way { kept } else { nil }
  }

  /// Parks the kept files in a new supervisor, and all later ones too.
  func move(to socket: FileDescriptor) throws {
    parking.move(to: socket)
    try kept?.park()
  }

  /// Says what the user has to know if files are kept open, once for a mount; if it is in the
  /// background, also on standard error.
  func tell(_ log: Logger, of mount: MountOptions, isNew: Bool, inBackground: Bool) {
    guard let kept, isNew else { return }
    let text =
      "files of \(mount.source) cannot be opened by their handles, so those that the kernel knows "
      + "are kept open, up to \(kept.limit); file handles are valid only for these, and none "
      + "after an unmount"
    log.notice("\(text)")
    guard inBackground && mount.logFormat == .text else { return }
    try? FileDescriptor.standardError.writeOnce(Array("handlefs: \(text)\n".utf8))
  }

  /// Opens the file of a node that the kernel has not looked up, if it is in the directory.
  func open(_ node: NodeID) throws -> FileDescriptor {
    switch way {
    case .byHandle(let export): try export.open(.node(node), as: .path)
    case .keptOpen(let kept): try kept.open(node)
    }
  }

  /// Whether the files of the directory have to be kept open.
  private static func keepsOpen(_ options: MountOptions, _ source: FileDescriptor) throws -> Bool {
    guard options.handles != .never else { return true }
    let probe = try FilesystemProbe(of: source)
    guard options.handles == .require else { return !probe.opensForSure }
    guard probe.opening == .same else { throw probe.refusal(of: options.source) }
    return false
  }

  /// Opens the store. It tries several times, because the server of a filesystem that was just
  /// unmounted may still be closing it.
  private static func openStore(_ path: FilePath, _ options: StoreOptions) throws -> Store {
    for _ in 0..<20 {
      do {
        return try Store(at: path, options: options)
      } catch {
        guard case .inUse = error else { throw error }
        Processes.sleep(milliseconds: 100)
      }
    }
    return try Store(at: path, options: options)
  }

  /// Attaches the filesystems that are mounted below the source, except FUSE filesystems and
  /// mounts inside them: the FUSE server may be this one, which would wait for itself.
  private static func attachMounts(below source: String, to store: Store) throws {
    let mounts = try MountTable.mounts().filter { $0.point.string.hasPrefix("\(source)/") }
    let fuse = mounts.filter { $0.type.hasPrefix("fuse") }.map(\.point)
    for mount in mounts where !fuse.contains(where: { mount.point.starts(with: $0) }) {
      let directory = try? FileDescriptor.open(
        mount.point, .readOnly, options: [.directory, .closeOnExec])
      guard let directory else { continue }
      _ = try? store.attach(directory)
      try directory.close()
    }
  }

  private static func export(
    of root: FileDescriptor, on filesystem: FilesystemID, _ options: MountOptions, in store: Store
  ) throws -> Export {
    // Two mounts of one source may differ in this.
    let name = "handlefs \(options.source)\(options.readOnly ? " (read-only)" : "")"
    let handle = try KernelFileHandle(of: root)
    if let known = try store.exports().first(where: { $0.name == name }) {
      // A repair may have given the filesystem another number.
      if known.isReadOnly == options.readOnly, known.layers.map(\.root) == [handle],
        known.layers.map(\.filesystem) == [filesystem]
      {
        return try store.openExport(name)
      }
      try store.removeExport(name)
    }
    return try store.addExport(name, roots: [root], isReadOnly: options.readOnly)
  }
}

extension FilesystemProbe {
  /// Whether every file can be opened by its handle, for as long as it exists. A FUSE server need not
  /// be able to, and may give its numbers to other files.
  fileprivate var opensForSure: Bool { opening == .same && magic != .fuse }

  /// The error for a user who requires handles.
  fileprivate func refusal(of source: String) -> CommandError {
    let obstacle =
      switch opening {
      case .notPermitted: "this process may not open handles; run it with CAP_DAC_READ_SEARCH"
      case .refused(let errno) where handle != nil: "the kernel opens no handles here (\(errno))"
      default: "its filesystem (\(magic)) has no handles that can be opened"
      }
    return CommandError("\(source): \(obstacle), or use --handles auto")
  }
}
