import PostgresNodeIndex

/// The server of the database, and what its commits wait for.
struct SharedServer: CustomStringConvertible {
  let description: String

  /// Asks the server of a connection to a store.
  init(of connection: String) throws {
    let status = try SharedStore(connection).status()
    let waitedFor = status.standbys?.filter { ["sync", "quorum"].contains($0.synchronization) }
    let standbys = waitedFor.map { $0.isEmpty ? "none" : $0.map(\.name).joined(separator: ", ") }
    description =
      "PostgreSQL \(status.serverVersion), synchronous_commit \(status.synchronousCommit), "
      + "synchronous standbys: \(standbys ?? "unknown")"
  }
}
