internal import HandleStore
internal import SystemPackage

/// The directory that is shown, and the store that knows its files.
struct Source {
  let store: Store
  let export: Export
  let filesystem: FilesystemID

  init(_ options: MountOptions, _ session: SessionDescriptors) throws {
    let source = session.source
    store = try Self.openStore(
      FilePath("/proc/self/fd/\(session.store.rawValue)"),
      StoreOptions(
        retention: options.nodes > 0 ? .nodes(NodeBound.most(of: options.nodes)) : .forever))
    filesystem = try store.attach(source)
    // An earlier server may have registered files of the filesystems that are mounted below.
    if options.crossMounts { try Self.attachMounts(below: options.source, to: store) }
    export = try Self.export(of: source, on: filesystem, options, in: store)
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
    let name = "handlefs \(options.source)"
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
