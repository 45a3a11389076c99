internal import SystemPackage

extension Store {
  /// Records that a file has a name in a directory now. A server calls it when it has renamed a file into
  /// another directory, exchanged it for one, or given it a further name there.
  ///
  /// An export looks for the names of a file in the directories on record when the kernel has forgotten
  /// them (`Docs/Exports.md`): without the call, a file that was moved is refused from then on until it is
  /// looked up by name. It is not needed for a directory, nor for what is below one that was moved, nor
  /// where a name was removed. Calling it twice, or for a file that has been moved on since, does no harm:
  /// what is recorded is where to look, and the file is looked at.
  ///
  /// ```swift
  /// try rename("draft", in: from, to: "report", in: to)
  /// try store.recordMove(of: FoundFile(name: "report", in: to), on: filesystem, into: toNode)
  /// ```
  ///
  /// - Parameters:
  ///   - file: the file, as it was found after the move.
  ///   - filesystem: as ``attach(_:)`` gave it.
  ///   - directory: the node of the directory in which it has a name now.
  /// - Returns: the file's node, or `nil` where the store has none; then nothing is recorded.
  /// - Throws: what ``register(_:status:on:parent:pinnedBy:)`` throws. Then nothing is recorded.
  /// - Complexity: O(log nodes), one commit; of a file that is on record there, no commit.
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

  /// The directories, other than the one in its record, in which a node's file was seen.
  func places(of id: NodeID) throws -> [NodeID] {
    try read().places(of: id, tables).map(\.directory)
  }
}

/// Records a file's place; says whether its node is live.
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
  /// Whether the file was found in another directory than the one on record, and may have names in both.
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
  /// Takes down where a live node's file was found, as far as that is new.
  mutating func recordPlace(
    of candidate: Candidate, _ record: inout Record, _ id: NodeID,
    _ transaction: borrowing WriteTransaction
  ) throws {
    if candidate.moves(record) {
      record.parent = candidate.parent
      try transaction.putRecord(&record, id, tables)
      changed.append((id, record))
      // It has one name now, and this is where.
      if candidate.status.links <= 1 { try transaction.removePlaces(of: id, tables) }
    } else if candidate.hasFurtherPlace(record), let parent = candidate.parent {
      try transaction.put(Place(id, in: parent), tables)
    }
  }
}
