internal import HandleLocks
public import SystemPackage

/// A subtree that clients may reach by the tokens that they are given.
///
/// An export opens the file of a token only if the server made the token, if the file is still the
/// one for which it was made, and if the file is in the subtree at that moment. Any thread may make
/// any call. An export keeps its filesystems busy until it is released.
///
/// ```swift
/// let export = try store.addExport("home", roots: [directory])
/// let entry = try export.lookup("file", in: .node(export.root))
/// // The client gets entry.token, and sends it later, to this server or the next:
/// let descriptor = try export.open(.token(entry.token), as: .readOnly)
/// ```
public final class Export: Sendable {
  /// The export's record in the store.
  public let record: ExportRecord
  /// The node of the export's root directory; with several layers, of the upper one. It is the same
  /// after a restart.
  public let root: NodeID
  /// How the export checks that the files of each layer are inside.
  public var containments: [Containment] { layers.map(\.containment) }

  package let store: Store
  let layers: [Subtree]

  /// Creates an open export.
  ///
  /// - Parameter root: a node that the caller holds for the export (``Holds/hold(root:)``). The
  ///   export releases it in `deinit`.
  init(_ record: ExportRecord, _ layers: [Subtree], root: NodeID, in store: Store) {
    self.record = record
    self.layers = layers
    self.root = root
    self.store = store
  }

  deinit { store.holds.release(root: root) }

  /// Returns the layer on a filesystem, or `nil` if there is none.
  func layer(on filesystem: FilesystemID) -> Int? {
    layers.firstIndex { $0.filesystem == filesystem }
  }
}

extension Store {
  /// Returns the exports of the store, in the order in which they were added.
  ///
  /// - Throws: ``StoreError/damagedFile(path:_:)``, ``StoreError/foreignFile(path:remedy:)``,
  ///   ``StoreError/system(_:_:)``.
  public func exports() throws(StoreError) -> [ExportRecord] {
    try withStoreErrors { try ExportCatalog(in: files, of: number).exports }
  }

  /// Adds an export and opens it. Attaches the filesystems of its roots.
  ///
  /// - Parameters:
  ///   - name: 1 to 255 bytes, without a line feed, carriage return or zero byte, not starting with
  ///     a blank, and not the name of another export.
  ///   - roots: 1 to 16 open directories, which stay the caller's, each on a filesystem of its own;
  ///     in a layered export the upper one first. Exports may contain each other.
  ///   - isReadOnly: whether the export refuses to open for writing and to create.
  ///   - containment: how to check that files are inside; `nil` for the cheapest exact way that is
  ///     available.
  ///   - id: the export's number on other servers that share its tokens, not 0; `nil` for a random
  ///     one.
  /// - Throws: ``StoreError/badExport(_:)``, ``StoreError/readOnly``, what ``attach(_:named:)`` and
  ///   ``register(_:on:pinnedBy:)`` throw, ``StoreError/unavailable(_:)`` if the containment
  ///   is not available here, ``StoreError/diskFull(path:)``, ``StoreError/exposedKeys(path:)``,
  ///   ``StoreError/damagedFile(path:_:)``, ``StoreError/foreignFile(path:remedy:)``.
  /// - Complexity: O(mounts + exports)
  public func addExport(
    _ name: String, roots: [FileDescriptor], isReadOnly: Bool = false,
    containment: Containment? = nil, id: ExportID? = nil
  ) throws(StoreError) -> Export {
    guard ExportRecord.isValid(name: name) else {
      throw .badExport(
        "its name must be one line of 1 to 255 bytes that does not start with a blank")
    }
    guard id?.rawValue != 0 else { throw .badExport("its number must not be 0") }
    guard (1...16).contains(roots.count) else { throw .badExport("it must have 1 to 16 roots") }
    var layers: [ExportRecord.Layer] = []
    for root in roots { layers.append(try layer(root)) }
    guard Set(layers.map(\.filesystem)).count == layers.count else {
      throw .badExport("each of its roots must be on a different filesystem")
    }
    return try withStoreErrors {
      try requireWriting()
      return try cataloguing.withLock { _ in
        while true {
          let catalog = try ExportCatalog(in: files, of: number)
          let record = ExportRecord(
            name: name, id: try id ?? catalog.unusedID(), isReadOnly: isReadOnly,
            containment: containment, layers: layers)
          guard catalog.hasRoom(for: record) else {
            throw StoreError.badExport("the store already has an export with this name or number")
          }
          let export = try open(record)
          try requireOutside(export)
          if try add(record) { return export }
        }
      }
    }
  }

  /// Adds a record, unless another process has added one meanwhile that has its name or number.
  private func add(_ record: ExportRecord) throws -> Bool {
    try exclusively {
      var catalog = try ExportCatalog(in: files, of: number)
      guard catalog.hasRoom(for: record) else { return false }
      catalog.exports.append(record)
      try catalog.write(in: files)
      return true
    }
  }

  /// Runs a body that reads and replaces small files, while no other process does. Other processes write
  /// only to a shared store.
  func exclusively<R: Sendable>(_ body: () throws -> R) throws -> R {
    guard index.isShared else { return try body() }
    let result = try files.exclusively { () throws(StoreError) in
      Result { try body() }
    }
    return try result.get()
  }

  /// Throws if the store is in the export: clients could read its keys.
  private func requireOutside(_ export: Export) throws {
    guard let directory = files as? OpenDirectory else { return }
    let held = try directory.held()
    for layer in export.layers where try layer.leadsToRoot(held) {
      throw StoreError.badExport("the store lies in it, so clients would reach its keys")
    }
  }

  private func layer(_ root: FileDescriptor) throws(StoreError) -> ExportRecord.Layer {
    let filesystem = try attach(root)
    return try withStoreErrors {
      guard try FullStatus(of: root).file.type == .directory else {
        throw StoreError.badExport("its root is not a directory")
      }
      return ExportRecord.Layer(filesystem: filesystem, root: try .make(of: root))
    }
  }

  /// Opens an export by its name. Attaches those of its filesystems that are not attached, as
  /// ``attachMounted()`` does. They must be mounted, but it does not matter at which place.
  ///
  /// - Throws: ``StoreError/noExport(_:)``, ``StoreError/notAttached(_:)`` if one of its filesystems
  ///   is not mounted, ``StoreError/ambiguousFilesystem(_:)`` if a mounted one may be a copy of it,
  ///   ``StoreError/staleHandle(_:)`` if its root was removed,
  ///   ``StoreError/unavailable(_:)`` if its containment is not available here,
  ///   ``StoreError/damagedFile(path:_:)``, ``StoreError/foreignFile(path:remedy:)``,
  ///   ``StoreError/exposedKeys(path:)``, what ``attachMounted()`` throws.
  /// - Complexity: O(exports), and O(mounts) if a filesystem has to be attached
  public func openExport(_ name: String) throws(StoreError) -> Export {
    try withStoreErrors {
      guard
        let record = try ExportCatalog(in: files, of: number).exports.first(where: {
          $0.isNamed(name)
        })
      else { throw StoreError.noExport(name) }
      let missing = record.layers.map(\.filesystem).filter { !filesystems.isAttached($0) }
      if !missing.isEmpty {
        // Another process may have added them to the store since.
        if isReadOnly || index.isShared { try index.reloadFilesystems() }
        let ambiguity = try attachMounted(Set(missing))
        if let ambiguity, !missing.allSatisfy({ filesystems.isAttached($0) }) { throw ambiguity }
      }
      return try open(record)
    }
  }

  /// Removes an export from the store. Its nodes stay. Exports that are opened later refuse its
  /// tokens, unless one was added with the same number.
  ///
  /// - Throws: ``StoreError/noExport(_:)``, ``StoreError/readOnly``,
  ///   ``StoreError/diskFull(path:)``, ``StoreError/damagedFile(path:_:)``,
  ///   ``StoreError/foreignFile(path:remedy:)``.
  public func removeExport(_ name: String) throws(StoreError) {
    try withStoreErrors {
      try requireWriting()
      try cataloguing.withLock { _ in
        try exclusively {
          var catalog = try ExportCatalog(in: files, of: number)
          guard let index = catalog.exports.firstIndex(where: { $0.isNamed(name) }) else {
            throw StoreError.noExport(name)
          }
          catalog.exports.remove(at: index)
          try catalog.write(in: files)
        }
      }
    }
  }

  private func open(_ record: ExportRecord) throws -> Export {
    try tokenKeys.load(in: files, of: number, make: !isReadOnly)
    let layers = try record.layers.indices.map { try subtree($0, of: record) }
    return Export(record, layers, root: try heldRoot(of: layers[0]), in: self)
  }

  /// Returns the node of a root directory, and holds it, so that it is not dropped as long as the
  /// export is open.
  private func heldRoot(of layer: Subtree) throws -> NodeID {
    while true {
      let before = holds.evictionCount
      let root = try layer.rootNode(in: self)
      holds.hold(root: root)
      do {
        if try isThere(root, heldSince: before) { return root }
      } catch {
        holds.release(root: root)
        throw error
      }
      holds.release(root: root)
    }
  }

  private func subtree(_ number: Int, of record: ExportRecord) throws -> Subtree {
    let (layer, containment) = (record.layers[number], record.containment)
    let (mount, magic) = try filesystems.mount(layer.filesystem)
    let directory = OwnedDescriptor(try open(layer.root, on: layer.filesystem, as: .readOnly))
    withExtendedLifetime(mount) {}
    let whole = index.filesystems[layer.filesystem]?.identity.root == layer.root
    do throws(Errno) {
      return try Subtree(
        root: directory.descriptor, handle: layer.root, on: layer.filesystem, magic: magic,
        layer: number, containment: containment, isWhole: whole)
    } catch .notSupported {
      throw StoreError.unavailable(containment ?? .walk)
    } catch {
      throw StoreError(error, "opening an export's root")
    }
  }
}

extension Subtree {
  /// Returns the node of the root directory. Registers the root if the store is open for writing.
  fileprivate func rootNode(in store: Store) throws -> NodeID {
    let status = try FullStatus(of: root.descriptor).file
    guard !store.isReadOnly else {
      guard let node = try store.node(of: rootHandle, on: filesystem) else {
        throw StoreError.badExport(
          "its root has no node; open the export once while the store is open for writing")
      }
      return node.id
    }
    return try store.register(
      FoundFile(handle: rootHandle, status: status), on: filesystem
    ).node
  }
}

extension ExportCatalog {
  fileprivate func unusedID() throws -> ExportID {
    while true {
      let id = ExportID(rawValue: .random(in: 1...UInt32.max))
      if !exports.contains(where: { $0.id == id }) { return id }
    }
  }
}
