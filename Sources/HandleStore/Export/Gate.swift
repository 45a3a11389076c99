internal import SystemPackage

/// The gate: the only way from what a client sent to a file. It has eight steps. Each refuses with
/// its own cases of ``GateRefusal``, which are counted (Docs/Exports.md). A token takes all steps. A
/// node, which only a trusted client may name, takes those from the fifth on.
extension Export {
  /// Admits a token, and opens its file.
  func admit(_ token: Token) throws -> OpenedFile {
    let start = SystemCalls.now
    try Self.requireLengthAndType(token)  // 1: length, handleType
    try Self.requireVersion(token)  // 2: version
    let fields = TokenFields(token.bytes)
    try requireSignature(token, under: fields.key)  // 3: key, signature
    try requireExport(fields)  // 4: export
    let file = try admit(fields)
    store.counters.record(SystemCalls.now - start, in: .gateTimes)
    return file
  }

  /// Opens the file that a token or a node names, and admits it.
  ///
  /// - Parameter node: the file's node, if known.
  private func admit(
    _ handle: KernelFileHandle, of type: FileType, in layer: Int, node: Node?
  ) throws -> OpenedFile {
    let subtree = layers[layer]
    var file: OpenedFile
    do {
      file = try subtree.open(handle)  // 5: stale, handleType
      try subtree.requireSameFile(file)  // 6: replaced
    } catch let refusal as GateRefusal where refusal == .stale || refusal == .replaced {
      return try admitCopy(of: node, in: subtree, after: refusal)
    }
    try Self.requireNameAndType(file, type)  // 7: stale, fileType
    file = try subtree.requireInside(  // 8: outside
      file, parents: { try parents(of: handle, in: layer, node) })
    store.counters.count(.admitted)
    file.node = node
    return file
  }

  /// Runs a client's request, and counts it if the gate refuses it.
  func gated<R>(_ body: () throws -> R) throws(StoreError) -> R {
    try store.withStoreErrors {
      do {
        return try body()
      } catch let refusal as GateRefusal {
        store.counters.refused(refusal)
        throw refusal
      }
    }
  }
}

// MARK: Steps 1 to 4: the token

extension Export {
  private static func requireLengthAndType(_ token: Token) throws {
    guard (Token.referenceLength...Token.maximumLength).contains(token.bytes.count) else {
      throw GateRefusal.length
    }
    guard TokenFields.hasPossibleType(token.bytes) else { throw GateRefusal.handleType }
  }

  private static func requireVersion(_ token: Token) throws {
    guard token.bytes[0] == TokenFields.version else { throw GateRefusal.version }
  }

  private func requireSignature(_ token: Token, under id: UInt8) throws {
    guard let key = try store.tokenKeys.key(id, in: store.files, of: store.number) else {
      throw GateRefusal.key
    }
    guard TokenFields.isSigned(token.bytes, key, store: store.number) else {
      throw GateRefusal.signature
    }
  }

  private func requireExport(_ fields: TokenFields) throws {
    guard fields.export == record.id.rawValue, layers.indices.contains(Int(fields.layer)) else {
      throw GateRefusal.export
    }
  }
}

// MARK: Which file a token or a node names

extension Export {
  /// Admits the file of a node that a client named, or for which a token is to be made.
  func admit(_ id: NodeID) throws -> OpenedFile {
    guard let node = try store.find(id == .root ? root : id) else {
      throw GateRefusal.unknownNode
    }
    return try admit(node)
  }

  private func admit(_ node: Node) throws -> OpenedFile {
    guard node.state == .live else { throw GateRefusal.stale }
    guard let layer = layer(on: node.filesystem) else { throw GateRefusal.outside }
    try requireNotLost(node)
    return try admit(node.handle, of: node.type, in: layer, node: node)
  }

  /// Admits the file that a signed token names, by its handle or only by its node.
  private func admit(_ fields: TokenFields) throws -> OpenedFile {
    let node = try store.find(fields.node)
    guard let handle = fields.handle else {
      guard let node else { throw GateRefusal.unknownNode }
      return try admit(node)
    }
    let layer = Int(fields.layer)
    let subtree = layers[layer]
    // Use the token's node only if it still belongs to the token's file. A token of another store has
    // that store's number, which belongs to a different file here. A file whose node was dropped may
    // have another node by now. A file that was copied up has another handle by now.
    let named = node.flatMap { subtree.hasFile(of: $0, handle) ? $0 : nil }
    if named?.state == .stale { throw GateRefusal.stale }
    let own = try named ?? store.index.node(of: handle, on: subtree.filesystem)
    if let own {
      guard subtree.hasFile(of: own, handle), own.state == .live else { return try admit(own) }
      try requireNotLost(own)
    }
    return try admit(
      handle, of: FileType(rawValue: CInterop.Mode(fields.fileType) << 12), in: layer, node: own)
  }

  /// Refuses a node whose file was lost in a power cut. A store opened for reading has to ask, because
  /// it cannot retire such nodes.
  private func requireNotLost(_ node: Node) throws {
    guard store.isReadOnly else { return }
    do {
      try store.requireNotLost(node)
    } catch StoreError.stale {
      throw GateRefusal.stale
    }
  }

  /// Admits the file that a node was given meanwhile, because the old file was copied up. If the node
  /// has no other file, retires it.
  ///
  /// - Throws: `refusal` if the node has no other file.
  private func admitCopy(
    of node: Node?, in subtree: Subtree, after refusal: GateRefusal
  ) throws -> OpenedFile {
    try store.requireAnswer(subtree.root)
    guard let node, let now = try store.retireUnlessCopiedUp(node) else { throw refusal }
    return try admit(now)
  }
}

// MARK: Steps 5 to 8: the file

extension Subtree {
  /// Whether a node has the file that a handle names here. If the node was found by an alias, it has
  /// another one, perhaps on the same filesystem.
  func hasFile(of node: Node, _ handle: KernelFileHandle) -> Bool {
    node.filesystem == filesystem && node.handle.isOfSameFile(as: handle, on: magic)
  }

  /// Opens the file of a handle, as a path (`O_PATH`).
  ///
  /// - Parameter below: see `KernelFileHandle.open`.
  func open(_ handle: KernelFileHandle, below: Bool = false) throws -> OpenedFile {
    do throws(Errno) {
      let descriptor = OwnedDescriptor(
        try handle.open(on: root.descriptor, flags: SystemCalls.path, below: below))
      return try OpenedFile(descriptor, handle: handle, layer: layer)
    } catch .staleHandle {
      throw GateRefusal.stale
    } catch .invalidArgument {
      throw GateRefusal.handleType
    } catch {
      throw StoreError(error, "opening handle \(handle)")
    }
  }

  /// Refuses a file that has another handle than the one by which it was opened. Asks for the handle
  /// again only if the kernel may have opened another file: the generation is 0, or the layout is
  /// unknown.
  func requireSameFile(_ file: OpenedFile) throws {
    guard file.handle.fileKey(on: magic)?.needsComparison ?? true else { return }
    let again = try KernelFileHandle.make(of: file.descriptor.descriptor)
    guard again.isOfSameFile(as: file.handle, on: magic) else { throw GateRefusal.replaced }
  }

  /// Refuses a file that is not inside.
  ///
  /// - Parameter parents: directories in which the file may have a name.
  /// - Returns: the file, opened again by a name inside if that was needed.
  func requireInside(
    _ file: OpenedFile, parents: () throws -> [KernelFileHandle] = { [] }
  ) throws -> OpenedFile {
    guard let inside = try findInside(file, parents) else { throw GateRefusal.outside }
    return inside
  }
}

extension Export {
  private static func requireNameAndType(_ file: OpenedFile, _ type: FileType) throws {
    // No name: the file was unlinked while open, or has not got a name yet.
    guard file.status.links > 0 else { throw GateRefusal.stale }
    guard file.type == type else { throw GateRefusal.fileType }
  }

  /// The directories in which a file may have a name: those on record, and the one in its handle.
  private func parents(
    of handle: KernelFileHandle, in layer: Int, _ node: Node?
  ) throws -> [KernelFileHandle] {
    let layer = layers[layer]
    let recorded = try node.map { node in
      try [node.parent].compactMap(\.self) + store.index.furtherParents(of: node.id)
    }
    var parents = try (recorded ?? []).compactMap { id in
      try store.find(id).flatMap { $0.filesystem == layer.filesystem ? $0.handle : nil }
    }
    if let named = handle.parent(on: layer.magic), !parents.contains(named) {
      parents.append(named)
    }
    return parents
  }
}
