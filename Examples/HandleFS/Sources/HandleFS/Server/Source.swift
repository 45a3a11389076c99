internal import HandleStore
internal import HandleLocks
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

  /// - Parameters:
  ///   - probe: what the filesystem offers, if that is known; a mounted filesystem does not lose it.
  ///   - keptFiles: how many files to keep open at most, if they cannot be opened by handle.
  ///   - openStore: opens the store.
  init(
    _ options: MountOptions, _ session: SessionDescriptors, probe: FilesystemProbe?, keptFiles: Int,
    opening openStore: () throws -> Store
  ) throws {
    let source = session.source
    parking = Parking(socket: session.parking)
    let probe = try Self.probeIfOpenedByHandle(options, source, probe)
    guard probe != nil || !options.isShared else {
      throw CommandError(
        "files of \(options.source) cannot be opened by their handles, so other gateways could not find "
          + "them; use a store in a directory (--store DIR)", .usage)
    }
    store = try openStore()
    guard let probe else {
      let kept = try store.keepFiles(below: source, limit: keptFiles, parking: parking)
      (way, filesystem, root) = (.keptOpen(kept), kept.filesystem, kept.root)
      return
    }
    (filesystem, root, way) = try Self.export(options, source, probe, in: store)
  }

  /// The source of a guest's mount, in the store that this process has open.
  init(_ options: MountOptions, _ session: SessionDescriptors, guestOf host: Source) throws {
    guard host.kept == nil,
      let probe = try Self.probeIfOpenedByHandle(options, session.source)
    else {
      throw CommandError(
        "\(options.store) is in use by another mount; only mounts whose files are opened by their "
          + "handles can share a store: use another one, or a bind mount", .store)
    }
    guard !probe.mountPoint.isEmpty else {
      throw CommandError(
        "\(options.source) is on a mount that the process with the store open does not see, as in "
          + "another mount namespace; use a store of its own", .usage)
    }
    (store, parking) = (host.store, Parking(socket: session.parking))
    (filesystem, root, way) = try Self.export(options, session.source, probe, in: store)
  }

  private static func export(
    _ options: MountOptions, _ source: FileDescriptor, _ probe: FilesystemProbe, in store: Store
  ) throws -> (FilesystemID, NodeID, Way) {
    let filesystem = try attach(source, probe, of: options, to: store)
    // An earlier server may have registered files of the filesystems that are mounted below.
    if options.crossMounts { try attachMounts(below: source, to: store) }
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

  /// Returns what the directory's filesystem offers, or `nil` if the files have to be kept open.
  private static func probeIfOpenedByHandle(
    _ options: MountOptions, _ source: FileDescriptor, _ probe: FilesystemProbe? = nil
  ) throws -> FilesystemProbe? {
    guard options.handles != .never else { return nil }
    let probe = try probe ?? FilesystemProbe(of: source)
    guard options.handles == .require else { return probe.opensForSure ? probe : nil }
    guard probe.opening == .same else { throw probe.refusal(of: options.source) }
    return probe
  }

  /// For each filesystem with a source, the number of the mount through which that is reached.
  private static let mounts = Locked<[String: Int]>([:])

  /// Attaches the filesystem of a source. The store opens all files of a filesystem through one of its
  /// mounts. So no two sources may be reached through different ones: one may be read-only, or have other
  /// filesystems mounted inside.
  private static func attach(
    _ source: FileDescriptor, _ probe: FilesystemProbe, of options: MountOptions, to store: Store
  ) throws -> FilesystemID {
    let mount = try BackingFile.mount(of: source)
    let name = probe.identity.map { "\($0.magic) \($0.hexadecimal) \($0.volume)" } ?? ""
    return try mounts.withLock { mounts in
      guard mounts[name, default: mount] == mount else {
        throw CommandError(
          "\(options.source) is reached through another mount of its filesystem than SOURCE of a "
            + "mount that uses \(options.store); name it by the same one, or use a store of its own",
          .usage)
      }
      let filesystem = try store.attach(source, named: options.database.filesystemName)
      mounts[name] = mount
      return filesystem
    }
  }

  /// Attaches the filesystems that are mounted below the source, except FUSE filesystems and
  /// mounts inside them: the FUSE server may be this one, which would wait for itself.
  private static func attachMounts(below source: FileDescriptor, to store: Store) throws {
    // Its path as it is now: the directory may have been renamed since the mount.
    guard let path = Processes.link("/proc/self/fd/\(source.rawValue)").map({ FilePath($0) })
    else { return }
    let mounts = try MountTable.mounts().filter { $0.point != path && $0.point.starts(with: path) }
    let fuse = mounts.filter { $0.type.hasPrefix("fuse") }.map(\.point)
    for mount in mounts where !fuse.contains(where: { mount.point.starts(with: $0) }) {
      let directory = try? FileDescriptor.open(
        mount.point, .readOnly, options: [.directory, .closeOnExec])
      guard let directory else { continue }
      _ = try? store.attach(directory)
      try directory.close()
    }
  }

  /// Held while an export is found or made: mounts that begin at the same time may want the same one.
  private static let finding = Locked(())

  private static func export(
    of root: FileDescriptor, on filesystem: FilesystemID, _ options: MountOptions, in store: Store
  ) throws -> Export {
    let name = exportName(options)
    let handle = try KernelFileHandle(of: root)
    return try finding.withLock { _ in
      while true {
        if let known = try store.exports().first(where: { $0.name == name }) {
          // A repair may have given the filesystem another number. Or the name is another directory's: its
          // path was the same, or ends alike. If that is mounted, its export works on without the name.
          if known.isReadOnly == options.readOnly, known.layers.map(\.root) == [handle],
            known.layers.map(\.filesystem) == [filesystem]
          {
            return try store.openExport(name)
          }
          try store.removeExport(name)
        }
        do {
          return try store.addExport(name, roots: [root], isReadOnly: options.readOnly)
        } catch StoreError.badExport(let reason) {
          // Another gateway may have added it meanwhile.
          guard try store.exports().contains(where: { $0.name == name }) else {
            throw StoreError.badExport(reason)
          }
        }
      }
    }
  }

  /// The name of a mount's export: one line of at most 255 bytes, whatever the path.
  private static func exportName(_ options: MountOptions) -> String {
    // Two mounts of one source may differ in this.
    let suffix = options.readOnly ? " (read-only)" : ""
    let line = options.source.utf8.map { $0 < 0x20 ? UInt8(ascii: "?") : $0 }
    return "handlefs \(String(decoding: line.suffix(200), as: UTF8.self))\(suffix)"
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
