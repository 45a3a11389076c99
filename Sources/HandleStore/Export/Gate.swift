internal import SystemPackage

/// The gate: the only way from what a client sent to a file. Each step refuses with a case of
/// ``GateRefusal``, which is counted.
extension Export {
  /// A file that passed the gate.
  struct Admitted {
    let file: SubtreeFile
    let layer: Int
    /// The file's node, if known.
    let node: Node?
  }

  /// The file that a request names, and what is known of it.
  private struct Claim {
    let handle: KernelFileHandle
    let type: FileType
    let layer: Int
    let node: Node?
  }

  /// Runs a client's request, and counts it if the gate refuses it.
  func gated<R>(_ body: () throws -> R) throws(StoreError) -> R {
    try store.guarded {
      do {
        return try body()
      } catch let refusal as GateRefusal {
        store.counters.refused(refusal)
        throw refusal
      }
    }
  }

  func admit(_ token: Token) throws -> Admitted {
    let fields = try TokenFields(token.bytes)
    guard let key = try store.tokenKeys.key(fields.key, in: store.files, of: store.number)
    else {
      throw GateRefusal.key
    }
    guard TokenFields.isSigned(token.bytes, key, store: store.number) else {
      throw GateRefusal.signature
    }
    guard fields.export == record.id.rawValue, layers.indices.contains(Int(fields.layer)) else {
      throw GateRefusal.export
    }
    return try admit(claim(fields))
  }

  /// Admits a node that a client named, or for which a token is to be made.
  func admit(_ id: NodeID) throws -> Admitted {
    guard let node = try store.find(id == .root ? root : id) else {
      throw GateRefusal.unknownNode
    }
    return try admit(claim(node))
  }

  private func claim(_ fields: TokenFields) throws -> Claim {
    let node = try store.find(fields.node)
    guard let handle = fields.handle else {
      guard let node else { throw GateRefusal.unknownNode }
      return try claim(node)
    }
    let layer = Int(fields.layer)
    let subtree = layers[layer]
    // Use the token's node only if it is the file's. The number in a token of another store belongs
    // to a different file here; a file whose node was dropped has another node by now; and a file
    // that was copied up is no longer on the token's layer.
    let named = node.flatMap {
      $0.filesystem == subtree.filesystem
        && $0.handle.isOfSameFile(as: handle, on: subtree.magic) ? $0 : nil
    }
    if named?.state == .stale { throw GateRefusal.stale }
    let own = try named ?? store.index.node(of: handle, on: subtree.filesystem)
    if let own, own.filesystem != subtree.filesystem || own.state != .live {
      return try claim(own)
    }
    return Claim(
      handle: handle, type: FileType(rawValue: CInterop.Mode(fields.fileType) << 12),
      layer: layer, node: own)
  }

  private func claim(_ node: Node) throws -> Claim {
    guard node.state == .live else { throw GateRefusal.stale }
    guard let layer = layer(on: node.filesystem) else { throw GateRefusal.outside }
    return Claim(handle: node.handle, type: node.type, layer: layer, node: node)
  }

  private func admit(_ claim: Claim) throws -> Admitted {
    let subtree = layers[claim.layer]
    if let node = claim.node, store.isReadOnly {
      do { try store.requireNotLost(node) } catch StoreError.stale { throw GateRefusal.stale }
    }
    let file: SubtreeFile
    do {
      file = try subtree.open(claim.handle)
    } catch let refusal as GateRefusal where refusal == .stale || refusal == .replaced {
      try store.requireAnswer(subtree.root)
      guard let node = claim.node, let now = try store.foundStale(node) else { throw refusal }
      return try admit(self.claim(now))
    }
    // No name: the file was unlinked while open, or has not got a name yet.
    guard file.status.links > 0 else { throw GateRefusal.stale }
    guard file.type == claim.type else { throw GateRefusal.fileType }
    let inside = try subtree.requireInside(file) { try parents(claim) }
    store.counters.count(.admitted)
    return Admitted(file: inside, layer: claim.layer, node: claim.node)
  }

  /// The directories in which a file may have a name: those on record, and the one in its handle.
  private func parents(_ claim: Claim) throws -> [KernelFileHandle] {
    let layer = layers[claim.layer]
    let recorded = try claim.node.map { node in
      try [node.parent].compactMap(\.self) + store.index.furtherParents(of: node.id)
    }
    var parents = try (recorded ?? []).compactMap { id in
      try store.find(id).flatMap { $0.filesystem == layer.filesystem ? $0.handle : nil }
    }
    if let named = claim.handle.parent(on: layer.magic), !parents.contains(named) {
      parents.append(named)
    }
    return parents
  }
}
