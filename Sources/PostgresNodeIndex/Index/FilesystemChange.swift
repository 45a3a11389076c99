internal import HandleStore

/// What a change says of a filesystem: the row that it writes, and what is known once it is
/// written.
struct FilesystemChange {
  let filesystem: FilesystemID
  let known: KnownFilesystem
  let statement: Statement

  /// Adds a filesystem.
  init(adding known: KnownFilesystem, as filesystem: FilesystemID) {
    (self.filesystem, self.known) = (filesystem, known)
    statement = Statement(
      "INSERT INTO handlestore_filesystem (id, known) VALUES ($1, $2)",
      [.integer(Int64(filesystem.rawValue)), .text(known.text)])
  }

  /// Replaces what is known of a filesystem, unless somebody else has.
  init(replacing text: String, by known: KnownFilesystem, of filesystem: FilesystemID) {
    (self.filesystem, self.known) = (filesystem, known)
    statement = Statement(
      RowChanges.requiring(
        1, "UPDATE handlestore_filesystem SET known = $3 WHERE id = $1 AND known = $2"),
      [.integer(Int64(filesystem.rawValue)), .text(text), .text(known.text)])
  }
}
