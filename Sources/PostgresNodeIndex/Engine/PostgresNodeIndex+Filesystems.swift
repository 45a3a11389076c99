package import HandleStore
internal import HandleLocks

extension PostgresNodeIndex {
  package func reloadFilesystems() throws {
    if isReadOnly {
      try filesystems.take(database.read(Schema.filesystems))
    } else {
      try writer.refresh()
    }
  }

  package func introducing<R>(_ body: () throws -> R) throws -> R {
    // Whoever only reads introduces none.
    guard let gateway else { return try body() }
    return try database.withLock("filesystems") { _ in
      try gateway.refresh()
      return try body()
    }
  }

  package func record(
    _ filesystem: FilesystemID, _ change: @escaping @Sendable (KnownFilesystem?) -> KnownFilesystem?
  ) throws {
    let read = Statement(
      "SELECT known FROM handlestore_filesystem WHERE id = $1",
      [.integer(Int64(filesystem.rawValue))])
    try writer.change(also: [read], limboLimit: limboLimit) { _, found in
      let text = found[0].count > 0 ? found[0].text(0, 0) : nil
      let before = try text.map { text in
        guard let known = KnownFilesystem(text: text) else {
          throw StoreError.damaged("a row of handlestore_filesystem makes no sense")
        }
        return known
      }
      guard let known = change(before) else { return ((), []) }
      guard let text else { return ((), [FurtherChange(adding: known, as: filesystem)]) }
      return ((), [FurtherChange(replacing: text, by: known, of: filesystem)])
    }
  }
}
