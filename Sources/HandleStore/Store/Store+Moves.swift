internal import SystemPackage

extension Store {
  /// Records that a file now has a name in a directory. A server calls this after it has renamed a
  /// file into another directory, exchanged it with a file there, or given it a further name there.
  ///
  /// When the kernel has forgotten a file's names, an export looks for them in the directories on
  /// record (`Docs/Exports.md`). Without this call, the export refuses a file that was moved until
  /// the file is looked up by name. The call is not needed for a directory, for anything below a
  /// directory that was moved, or after a name was removed. It does no harm to call it twice, or
  /// for a file that has moved on since: the record only says where to look, and the export checks
  /// the file itself.
  ///
  /// ```swift
  /// try rename("draft", in: from, to: "report", in: to)
  /// try store.recordMove(of: FoundFile(name: "report", in: to), on: filesystem, into: toNode)
  /// ```
  ///
  /// - Parameters:
  ///   - file: the file, as found after the move.
  ///   - filesystem: the id that ``attach(_:)`` returned.
  ///   - directory: the node of the directory in which the file now has a name.
  /// - Returns: the file's node, or `nil` if the store has none; then nothing is recorded.
  /// - Throws: what ``register(_:status:on:parent:pinnedBy:)`` throws. Then nothing is recorded.
  /// - Complexity: O(log nodes), one commit; no commit if the directory is already on record.
  @discardableResult
  public func recordMove(
    of file: FoundFile, on filesystem: FilesystemID, into directory: NodeID
  ) throws(StoreError) -> NodeID? {
    try guarded {
      let writer = try changing()
      let candidate = Candidate(file, parent: directory)
      try requireOwn(candidate, filesystem)
      guard let node = try find(file.handle, on: filesystem), node.state == .live else {
        return nil
      }
      guard try !read().knowsPlace(of: candidate, node, tables) else { return node.id }
      return try writer.perform(Moving(id: node.id, candidate: candidate)) ? node.id : nil
    }
  }

  /// Returns the directories in which a node's file was seen, other than the one in its record.
  func places(of id: NodeID) throws -> [NodeID] {
    try read().places(of: id, tables).map(\.directory)
  }
}

/// Records a file's place. The result says whether its node is live.
private struct Moving: Change {
  let id: NodeID
  let candidate: Candidate

  func apply(in turn: inout Turn, _ transaction: borrowing WriteTransaction) throws -> Bool {
    guard var record = try transaction.record(id, turn.tables), record.state == .live else {
      return false
    }
    try turn.recordPlace(of: candidate, &record, id, transaction)
    return true
  }
}

extension Candidate {
  /// Whether the file was found in a directory other than the one on record, and may have names in
  /// both.
  func hasFurtherPlace(_ record: Record) -> Bool {
    parent != nil && record.parent != parent && !moves(record)
  }
}

extension Reading where Self: ~Copyable {
  fileprivate func knowsPlace(
    of candidate: Candidate, _ node: Node, _ tables: Tables
  ) throws -> Bool {
    guard let record = try record(node.id, tables), !candidate.moves(record) else { return false }
    guard candidate.hasFurtherPlace(record), let parent = candidate.parent else { return true }
    return try has(Place(node.id, in: parent), tables)
  }
}

extension Turn {
  /// Records where a live node's file was found, if that is new.
  mutating func recordPlace(
    of candidate: Candidate, _ record: inout Record, _ id: NodeID,
    _ transaction: borrowing WriteTransaction
  ) throws {
    if candidate.moves(record) {
      record.parent = candidate.parent
      try transaction.putRecord(&record, id, tables)
      changed.append((id, record))
      // The file has only the name that was just found.
      if candidate.status.links <= 1 { try transaction.removePlaces(of: id, tables) }
    } else if candidate.hasFurtherPlace(record), let parent = candidate.parent {
      try transaction.put(Place(id, in: parent), tables)
    }
  }
}
