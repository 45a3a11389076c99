internal import HandleStore
internal import HandleLocks
internal import SystemPackage

/// The small files of a shared store: rows of `handlestore_file`.
final class SharedFiles: SmallFiles {
  private let database: Database
  /// The connection of the thread that has the lock.
  private let locked = Locked<Connection?>(nil)

  init(_ database: Database) { self.database = database }

  var path: FilePath { "the database" }

  func path(of name: FilePath.Component) -> FilePath { path.appending(name) }

  static func reading(_ name: FilePath.Component) -> Statement {
    Statement("SELECT contents FROM handlestore_file WHERE name = $1", [.text(name.string)])
  }

  static func putting(_ text: String, in name: FilePath.Component) -> Statement {
    Statement(
      """
      INSERT INTO handlestore_file (name, contents) VALUES ($1, $2)
      ON CONFLICT (name) DO UPDATE SET contents = excluded.contents
      """, [.text(name.string), .text(text)])
  }

  func text(of name: FilePath.Component) throws(StoreError) -> SmallText? {
    do {
      return Self.text(try database.read(Self.reading(name)))
    } catch {
      throw StoreError(ofPostgres: error)
    }
  }

  /// Returns the text that ``reading(_:)`` has found. Who may read the table may read the keys;
  /// that is up to the database.
  static func text(_ found: Rows) -> SmallText? {
    guard found.count > 0 else { return nil }
    return found.text(0, 0).map { SmallText(text: $0, isPrivate: true) }
  }

  /// Part of the transaction that ends with the lock, if this thread has it: a process that was
  /// stopped for so long that it lost the lock puts nothing.
  func put(_ text: String, in name: FilePath.Component) throws(StoreError) {
    do {
      let statement = Self.putting(text, in: name)
      if let connection = locked.withLock({ $0 }) {
        _ = try connection.run([statement], patience: database.patience)
      } else {
        _ = try database.read(statement)
      }
    } catch {
      throw StoreError(ofPostgres: error)
    }
  }

  /// One process at a time, on all hosts. All that is put by others waits for it.
  func exclusively<R: Sendable>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    do {
      return try database.withLock("files") { connection in
        locked.withLock { $0 = connection }
        defer { locked.withLock { $0 = nil } }
        return try body()
      }
    } catch {
      throw StoreError(ofPostgres: error)
    }
  }
}
