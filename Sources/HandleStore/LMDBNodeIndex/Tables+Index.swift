extension IndexKey: Stored {}
extension IndexValue: Stored {}

/// The index: which node a file has.
extension Tables {
  /// Returns what the index has under a key.
  @inline(__always)
  func indexed(
    _ key: IndexKey, in transaction: borrowing some Reading & ~Copyable
  ) throws -> IndexValue? {
    var value = IndexValue()
    let found = try transaction.get(key, from: inodes, into: &value)
    return found == nil ? nil : value
  }

  /// Returns the record of a node that the index names.
  @inline(__always)
  func record(
    indexed id: NodeID, on filesystem: FilesystemID,
    in transaction: borrowing some Reading & ~Copyable
  ) throws -> Record {
    guard let record = try record(id, in: transaction), record.state == .live,
      record.filesystem == filesystem
    else {
      throw StoreError.damaged(
        "the index names node \(id), which is not live on filesystem \(filesystem)")
    }
    return record
  }

  /// Returns the record of a node that has an alias in the index.
  func record(
    withAlias id: NodeID, in transaction: borrowing some Reading & ~Copyable
  ) throws -> Record {
    guard let record = try record(id, in: transaction) else {
      throw StoreError.damaged("the index has an alias of node \(id), which does not exist")
    }
    return record
  }

  /// Returns the file to which a key in the index belongs: the file of a node, or the former file of
  /// which an alias keeps the handle.
  ///
  /// - Parameters:
  ///   - value: what the index has under the key.
  ///   - record: the record of the node that `value` names.
  @inline(__always)
  func file(
    under key: IndexKey, _ value: IndexValue, record: Record, on magic: FilesystemMagic,
    in transaction: borrowing some Reading & ~Copyable
  ) throws -> FileRelation.File {
    let id = value.node
    if value.isAlias {
      let alias = try alias(under: key, of: id, on: magic, in: transaction)
      return FileRelation.File(
        handle: alias.handle, key: alias.handle.fileKey(on: magic), type: alias.type)
    }
    let handle = try handle(of: record, id, in: transaction)
    let file = handle.fileKey(on: magic)
    if let wanted = key.file, !(file?.isOfSameInode(as: wanted) ?? false) {
      throw StoreError.damaged("the index names node \(id), which has another inode")
    }
    return FileRelation.File(handle: handle, key: file, type: record.type)
  }

  /// Makes the index name a node under a file's key, and for an opaque handle also under the hint.
  func putKeys(
    _ key: IndexKey, of id: NodeID, inode: UInt64, on filesystem: FilesystemID,
    in transaction: borrowing WriteTransaction
  ) throws {
    guard key.isOpaque else { return try transaction.put(IndexValue(id), for: key, in: inodes) }
    try transaction.put(IndexValue(id, inode: inode), for: key, in: inodes)
    let hint = IndexKey(hint: inode, on: filesystem)
    try transaction.put(IndexValue(id), for: hint, in: inodes)
  }

  /// Removes what ``putKeys(_:of:inode:on:in:)`` put, unless the index names another node there.
  func removeKeys(
    _ key: IndexKey, of id: NodeID, on filesystem: FilesystemID,
    in transaction: borrowing WriteTransaction
  ) throws {
    guard let value = try indexed(key, in: transaction), value.node == id, !value.isAlias else {
      return
    }
    try transaction.remove(key, from: inodes)
    guard key.isOpaque else { return }
    let hint = IndexKey(hint: value.inode, on: filesystem)
    guard try indexed(hint, in: transaction)?.node == id else { return }
    try transaction.remove(hint, from: inodes)
  }
}
