/// All that the index has, for a copy of it in another engine.
extension LMDBNodeIndex {
  func contents() throws -> StoreContents {
    guard let state = try StateFile.read(in: directory) else {
      throw StoreError.damaged("the file `state` is missing")
    }
    return StoreContents(
      number: number, incarnation: incarnation, idBound: state.idBound,
      filesystems: filesystems.all, limbo: try limbo(),
      hasOverflowed: try tables.has(.overflow, in: read()))
  }

  /// Returns at most `limit` nodes, in the order of their ids, from `start` on.
  func wholeNodes(from start: NodeID, limit: Int) throws -> WholeNodePage {
    var found: [WholeNode] = []
    var next: NodeID?
    let transaction = try read()
    try tables.forEachNode(from: start, in: transaction) { id, record in
      guard found.count < limit else {
        next = id
        return false
      }
      found.append(try tables.wholeNode(id, record, on: filesystems, in: transaction))
      return true
    }
    return WholeNodePage(nodes: found, next: next)
  }
}

extension Tables {
  fileprivate func wholeNode(
    _ id: NodeID, _ record: Record, on filesystems: KnownFilesystems,
    in transaction: borrowing some Reading & ~Copyable
  ) throws -> WholeNode {
    let handle = try handle(of: record, id, in: transaction)
    return WholeNode(
      id, record, handle,
      inode: try inode(of: id, record, handle, on: filesystems, in: transaction),
      furtherParents: try places(of: id, in: transaction).map(\.directory),
      aliases: try aliases(of: id, in: transaction), watches: try watches(of: id, in: transaction))
  }

  private func inode(
    of id: NodeID, _ record: Record, _ handle: KernelFileHandle, on filesystems: KnownFilesystems,
    in transaction: borrowing some Reading & ~Copyable
  ) throws -> WholeNode.Inode? {
    guard record.state == .live else { return nil }
    let key = IndexKey(handle, on: record.filesystem, try filesystems.magic(record.filesystem))
    guard key.isOpaque else { return nil }
    guard let value = try indexed(key, in: transaction), value.node == id, !value.isAlias else {
      throw StoreError.damaged("the index does not name node \(id) under its handle")
    }
    let hint = IndexKey(hint: value.inode, on: record.filesystem)
    return (value.inode, try indexed(hint, in: transaction)?.node == id)
  }

  /// Adds a node to a store that is being made, with all that belongs to it.
  func append(
    _ node: WholeNode, on filesystems: [FilesystemID: KnownFilesystem],
    in transaction: borrowing WriteTransaction
  ) throws {
    var record = node.record
    try append(&record, node.handle, for: node.id, in: transaction)
    func magic(_ id: FilesystemID) throws -> FilesystemMagic {
      guard let known = filesystems[id] else { throw StoreError.unknownFilesystem(id) }
      return known.identity.magic
    }
    if record.state == .live {
      let filesystem = record.filesystem
      let key = IndexKey(node.handle, on: filesystem, try magic(filesystem))
      let inode = node.inode ?? (0, false)
      try transaction.put(
        key.isOpaque ? IndexValue(node.id, inode: inode.number) : IndexValue(node.id), for: key,
        in: inodes)
      if inode.isHint {
        let hint = IndexKey(hint: inode.number, on: filesystem)
        try transaction.put(IndexValue(node.id), for: hint, in: inodes)
      }
    }
    for alias in node.aliases {
      let key = IndexKey(alias.handle, on: alias.filesystem, try magic(alias.filesystem))
      try put(alias, under: key, in: transaction)
    }
    for directory in node.furtherParents {
      try put(Place(node.id, in: directory), in: transaction)
    }
    for watch in node.watches { try put(watch, in: transaction) }
  }
}

extension StoreContents {
  /// Returns the first id that a copy may hand out: far above the original's, and above those of other
  /// copies.
  package func firstIDOfCopy() throws(StoreError) -> NodeID {
    NodeID(rawValue: try IDAllocator.boundOfCopy(idBound))
  }
}
