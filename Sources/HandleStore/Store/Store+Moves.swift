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
  ///   - filesystem: the id that ``attach(_:named:)`` returned.
  ///   - directory: the node of the directory in which the file now has a name.
  /// - Returns: the file's node, or `nil` if the store has none; then nothing is recorded.
  /// - Throws: what ``register(_:on:pinnedBy:)`` throws. Then nothing is recorded.
  /// - Complexity: O(log nodes), one write; no write if the directory is already on record.
  @discardableResult
  public func recordMove(
    of file: FoundFile, on filesystem: FilesystemID, into directory: NodeID
  ) throws(StoreError) -> NodeID? {
    try withStoreErrors {
      try requireWriting()
      var file = file
      file.parent = directory
      try requireOwn(file, filesystem)
      guard let node = try index.node(of: file.handle, on: filesystem), node.state == .live,
        try index.recordParent(of: node.id, file)
      else { return nil }
      return node.id
    }
  }
}
