internal import HandleStore

/// What a change writes besides the rows of nodes.
struct FurtherChange {
  let statement: Statement
  /// What is known of a filesystem once it is written.
  let filesystem: (id: FilesystemID, known: KnownFilesystem)?

  init(_ statement: Statement) { (self.statement, filesystem) = (statement, nil) }

  /// Adds a filesystem.
  init(adding known: KnownFilesystem, as id: FilesystemID) {
    filesystem = (id, known)
    statement = Statement(
      "INSERT INTO handlestore_filesystem (id, known) VALUES ($1, $2)",
      [.integer(Int64(id.rawValue)), .text(known.text)])
  }

  /// Replaces what is known of a filesystem, unless somebody else has.
  init(replacing text: String, by known: KnownFilesystem, of id: FilesystemID) {
    filesystem = (id, known)
    statement = Statement(
      RowChanges.requiring(
        1, "UPDATE handlestore_filesystem SET known = $3 WHERE id = $1 AND known = $2"),
      [.integer(Int64(id.rawValue)), .text(text), .text(known.text)])
  }
}
