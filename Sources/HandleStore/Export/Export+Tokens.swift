public import SystemPackage

/// How a token names its file.
public enum TokenForm: Hashable, Sendable {
  /// By its handle; the token has at most that many bytes. Such a token stays valid after the store
  /// was lost, and on another server that has the keys. If the token then still has at most
  /// ``Token/nfs3Length`` bytes, it also names the file's directory, so that the file is found again
  /// after the kernel has forgotten its name.
  case value(atMost: Int)
  /// By its node; the token has 32 bytes. Such a token is valid as long as this store has the node.
  case reference
}

extension Export {
  /// Returns a token for a node's file. Does not look at the file: the gate does that when the
  /// token comes back.
  ///
  /// - Parameters:
  ///   - node: a node on one of the export's filesystems; 1 is the root.
  ///   - form: how the token names the file.
  /// - Throws: ``StoreError/unknownNode(_:)``, ``StoreError/stale(_:)``,
  ///   ``StoreError/tokenTooLong(_:limit:)``, ``StoreError/refused(_:)`` if the node is on no
  ///   filesystem of the export, or its handle has a type that no filesystem makes;
  ///   ``StoreError/unusableKeys(path:reason:)``.
  /// - Complexity: that of ``Store/node(_:)`` for the file and for its directory.
  public func token(
    for node: NodeID, form: TokenForm = .value(atMost: Token.maximumLength)
  ) throws(StoreError) -> Token {
    try store.withStoreErrors { try makeToken(node, form) }
  }

  func makeToken(_ id: NodeID, _ form: TokenForm) throws -> Token {
    let id = id == .root ? root : id
    guard let node = try store.find(id) else { throw StoreError.unknownNode(id) }
    guard node.state == .live else { throw StoreError.stale(id) }
    guard let layer = layer(on: node.filesystem) else { throw GateRefusal.outside }
    let (key, secret) = try store.tokenKeys.signer(in: store.files, of: store.number)
    var fields = TokenFields(
      key: key, layer: UInt8(layer), fileType: UInt8(node.type.rawValue >> 12),
      export: record.id.rawValue, node: id)
    if case .value(let limit) = form {
      let handle = try handle(of: node, on: layers[layer].magic, limit: limit)
      guard handle.type.canBeOpened else { throw GateRefusal.handleType }
      fields.handle = handle
    }
    return fields.signed(secret, store: store.number)
  }

  /// Returns the handle for a token of at most `limit` bytes.
  private func handle(
    of node: Node, on magic: FilesystemMagic, limit: Int
  ) throws -> KernelFileHandle {
    let plain = node.handle.plain(on: magic)
    let length = TokenFields.length(handle: plain.length)
    guard length <= min(limit, Token.maximumLength) else {
      throw StoreError.tokenTooLong(length, limit: min(limit, Token.maximumLength))
    }
    guard node.type != .directory,
      let parent = try node.parent.flatMap({ try store.find($0) }),
      parent.filesystem == node.filesystem,
      let connected = plain.connected(to: parent.handle.plain(on: magic), on: magic),
      TokenFields.length(handle: connected.length) <= min(limit, Token.nfs3Length)
    else { return plain }
    return connected
  }

  /// Opens a file of the export, if it passes the gate. The file is not registered.
  ///
  /// - Parameters:
  ///   - file: what the client sent.
  ///   - mode: how to open it. Files that are neither regular files nor directories can only be
  ///     opened as ``OpenMode/path``, which does not touch the file.
  /// - Returns: a descriptor, which the caller closes.
  /// - Throws: ``StoreError/refused(_:)`` with the check that refused the file,
  ///   ``StoreError/notOpenableHandle(_:_:)``, ``StoreError/readOnlyExport(_:)``,
  ///   ``StoreError/system(_:_:)`` with the error of `open(2)`,
  ///   ``StoreError/unusableKeys(path:reason:)``, ``StoreError/tooManyOpenFiles``,
  ///   ``StoreError/notPermitted(_:)``, ``StoreError/damaged(_:)``, ``StoreError/closed``,
  ///   ``StoreError/forked``.
  /// - Complexity: a few system calls; if the file has to be found by its name, O(entries of its
  ///   directory + depth).
  public func open(
    _ file: FileReference, as mode: OpenMode
  ) throws(StoreError) -> FileDescriptor {
    try gated { try reopen(admit(file), as: mode) }
  }

  /// Opens a file that passed the gate, and that is open as a path, in the requested mode.
  func reopen(_ file: OpenedFile, as mode: OpenMode) throws -> FileDescriptor {
    guard mode != .path else { return file.descriptor.release() }
    guard !record.isReadOnly || mode == .readOnly else {
      throw StoreError.readOnlyExport(record.name)
    }
    guard file.type == .regular || file.type == .directory else {
      throw StoreError.notOpenableHandle(file.handle, file.type)
    }
    return try openAgain(file, as: mode)
  }

  /// Opens an open file in another mode, without the checks of ``reopen(_:as:)``.
  func openAgain(_ file: OpenedFile, as mode: OpenMode) throws -> FileDescriptor {
    do throws(Errno) {
      return try SystemCalls.reopen(
        file.descriptor.descriptor, flags: mode.flags,
        in: layers[file.layer].descriptors.descriptor)
    } catch {
      throw StoreError(error, "opening handle \(file.handle)")
    }
  }
}
