internal import HandleStore
internal import SystemPackage

/// A transaction of many round trips. It is undone if it is not committed. Its small files are
/// those of the store.
final class Transaction: SmallFiles {
  private let connection: Connection
  private let patience: Duration

  init(_ connection: Connection, patience: Duration) {
    (self.connection, self.patience) = (connection, patience)
  }

  func run(_ statement: String) throws { _ = try run(Statement(statement)) }

  func run(_ statement: Statement) throws(PostgresError) -> Rows {
    try connection.run([statement], patience: patience)[0]
  }

  var path: FilePath { "the database" }

  func path(of name: FilePath.Component) -> FilePath { path.appending(name) }

  func text(of name: FilePath.Component) throws(StoreError) -> SmallText? {
    do {
      return SharedFiles.text(try run(SharedFiles.reading(name)))
    } catch {
      throw StoreError(ofPostgres: error)
    }
  }

  func put(_ text: String, in name: FilePath.Component) throws(StoreError) {
    do {
      _ = try run(SharedFiles.putting(text, in: name))
    } catch {
      throw StoreError(ofPostgres: error)
    }
  }

  func exclusively<R: Sendable>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    try body()
  }
}
