package import HandleStore

extension PostgresNodeIndex {
  package func reloadFilesystems() throws {
    if isReadOnly {
      try filesystems.take(database.read(Schema.filesystems))
    } else {
      try writer.refresh()
    }
  }

  package func introducing<R>(_ body: () throws -> R) throws -> R {
    let gateway = try writer
    return try database.withLock("filesystems") { _ in
      try gateway.refresh()
      return try body()
    }
  }

  package func record(
    _ filesystem: FilesystemID, _ change: @escaping @Sendable (KnownFilesystem?) -> KnownFilesystem?
  ) throws {
    let id = Parameter.integer(Int64(filesystem.rawValue))
    let read = Statement("SELECT known FROM handlestore_filesystem WHERE id = $1", [id])
    let known = try writer.change(also: [read], limboLimit: limboLimit) {
      _, found -> (KnownFilesystem?, [Statement]) in
      let text = found[0].count > 0 ? found[0].text(0, 0) : nil
      let before = try text.map { text in
        guard let known = KnownFilesystem(text: text) else {
          throw StoreError.damaged("a row of handlestore_filesystem makes no sense")
        }
        return known
      }
      guard let known = change(before) else { return (nil, []) }
      if let text { return (known, [replacing(text, by: known, filesystem)]) }
      return (
        known,
        [
          Statement(
            "INSERT INTO handlestore_filesystem (id, known) VALUES ($1, $2)",
            [id, .text(known.text)])
        ]
      )
    }
    if let known { filesystems[filesystem] = known }
  }

  /// Replaces what is known of a filesystem, unless somebody else has.
  func replacing(_ text: String, by known: KnownFilesystem, _ id: FilesystemID) -> Statement {
    Statement(
      RowChanges.requiring(
        1, "UPDATE handlestore_filesystem SET known = $3 WHERE id = $1 AND known = $2"),
      [.integer(Int64(id.rawValue)), .text(text), .text(known.text)])
  }
}
