import PostgresNodeIndex

extension Machine.Software {
  /// The server of the database, and what its commits wait for.
  ///
  /// - Parameter connection: a connection to a store.
  init(serverOf connection: String) throws {
    let status = try SharedStore(connection).status()
    let waitedFor = status.standbys?.filter { ["sync", "quorum"].contains($0.synchronization) }
    let standbys = waitedFor.map { $0.isEmpty ? "none" : $0.map(\.name).joined(separator: ", ") }
    name = "PostgreSQL"
    version =
      "\(status.serverVersion) (synchronous_commit \(status.synchronousCommit), "
      + "synchronous standbys: \(standbys ?? "unknown"))"
  }
}
