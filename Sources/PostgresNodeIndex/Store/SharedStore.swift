package import HandleStore
package import SystemPackage

/// A shared store as a whole, for those who run it. The process does not become a gateway.
package struct SharedStore {
  private let database: Database

  /// - Parameters:
  ///   - connection: as for ``Store/init(shared:gateway:options:gatewayOptions:)``.
  ///   - patience: how long to wait for an answer of the database.
  package init(_ connection: String, patience: Duration = .seconds(30)) {
    database = Database(connection, patience: patience)
  }

  private func connected<R>(_ body: (Connection) throws -> R) throws(StoreError) -> R {
    do {
      return try body(database.connect())
    } catch {
      throw StoreError(ofPostgres: error)
    }
  }

  /// Makes the store; returns whether there was none.
  package func make() throws(StoreError) -> Bool {
    try connected { connection in
      let isNew = try database.createTables(on: connection)
      _ = try database.numbers(on: connection)
      return isNew
    }
  }

  package func status() throws(StoreError) -> SharedStoreStatus {
    try connected { connection in
      let numbers = try database.numbers(on: connection)
      return try SharedStoreStatus(
        incarnation: numbers.1,
        connection.run(SharedStoreStatus.statements, patience: database.patience))
    }
  }

  /// Removes a gateway that does not come back: nobody waits any more for what its clients may hold. If it
  /// comes back all the same, it joins anew, and its clients may find that their nodes are gone.
  ///
  /// - Throws: ``StoreError/badValue(_:)`` if there is no such gateway, or if its lease is not over for so
  ///   long that all others have heard of its last changes.
  package func remove(gateway name: String) throws(StoreError) {
    try connected { connection in
      _ = try database.numbers(on: connection)
      let found = try connection.run(Membership.removing(name), patience: database.patience)
      guard found[0].count == 0 else { return }
      guard found[1].count > 0, let left = found[1].integer(0, 0) else {
        throw StoreError.badValue("there is no gateway \(name)")
      }
      throw StoreError.badValue(
        "the gateway \(name) is there, or was a moment ago; if it has ended, try again in "
          + "\((max(0, left) + 999) / 1000) seconds")
    }
  }

  /// Puts all that a store in a directory has into the database, in one transaction: all of it or nothing.
  /// Makes the shared store if there is none.
  ///
  /// - Parameter store: a store that is open for writing.
  /// - Returns: how many nodes it has.
  /// - Throws: ``StoreError/badValue(_:)`` if the shared store has nodes, exports, keys or live gateways.
  /// - Complexity: O(nodes).
  package func take(_ store: Store) throws(StoreError) -> Int {
    try connected { connection in
      try database.createTables(on: connection)
      let transaction = Transaction(connection, patience: database.patience)
      let importing = StoreImport(in: transaction)
      try transaction.run("BEGIN")
      try importing.requireUnused()
      try store.read { contents, files in
        try importing.begin(contents, files)
      } append: { nodes in
        try importing.append(nodes)
      }
      try importing.finish()
      try transaction.run("COMMIT")
      return importing.count
    }
  }

  /// Copies the store, as it is at one moment, into a directory. Gateways go on meanwhile. The copy hands
  /// out other ids than the shared store.
  ///
  /// - Parameter path: the directory. It must not exist or must be empty.
  /// - Returns: how many nodes the copy has.
  /// - Complexity: O(nodes).
  package func copy(to path: FilePath) throws(StoreError) -> Int {
    try connected { connection in
      _ = try database.numbers(on: connection)
      let transaction = Transaction(connection, patience: database.patience)
      try transaction.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
      let snapshot = StoreSnapshot(of: transaction)
      let builder = try StoreBuilder(at: path, snapshot.contents())
      do {
        try builder.begin()
        var count = 0
        try snapshot.forEachPage { nodes in
          try builder.append(nodes)
          count += nodes.count
        }
        try builder.finish(files: transaction)
        return count
      } catch {
        throw builder.failed(error is PostgresError ? StoreError(ofPostgres: error) : error)
      }
    }
  }
}
