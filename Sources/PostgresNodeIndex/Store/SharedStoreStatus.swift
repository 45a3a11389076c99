internal import HandleStore

/// How a shared store and its database are.
package struct SharedStoreStatus: Sendable {
  package struct Gateway: Sendable {
    package let name: String
    package let epoch: UInt64
    /// How many seconds the lease still lasts; negative if it is over.
    package let leaseLeft: Double
    /// Whether clients may hold nodes by pins.
    package let hasPins: Bool

    package var isLive: Bool { leaseLeft > 0 }
  }

  /// A server that gets what this one writes, as it calls itself.
  package struct Standby: Sendable {
    package let name: String
    /// As in `pg_stat_replication`.
    package let state: String
    package let synchronization: String
  }

  package let incarnation: UInt32
  package let gateways: [Gateway]
  package let live: Int
  package let stale: Int
  package let aliases: Int
  package let watches: Int
  package let limbo: Int
  /// Changes that some gateway may not have heard of yet.
  package let changes: Int
  package let serverVersion: String
  package let synchronousCommit: String
  /// Whether the server itself is a standby.
  package let isStandby: Bool
  /// `nil` if the role may not see them.
  package let standbys: [Standby]?
  /// The names of the database and the schema.
  package let place: String

  static let statements = [
    Statement(
      """
      SELECT name, epoch,
        (extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint, has_pins
      FROM handlestore_gateway ORDER BY name
      """),
    Statement(
      """
      SELECT (SELECT count(*) FROM handlestore_node WHERE state = 1),
        (SELECT count(*) FROM handlestore_node WHERE state = 2),
        (SELECT count(*) FROM handlestore_alias), (SELECT count(*) FROM handlestore_watch),
        (SELECT count(*) FROM handlestore_limbo), (SELECT count(*) FROM handlestore_change)
      """),
    Statement(
      """
      SELECT current_setting('server_version'), current_setting('synchronous_commit'),
        pg_is_in_recovery(), current_database() || '.' || current_schema()
      """),
    Statement("SELECT application_name, state, sync_state FROM pg_stat_replication"),
  ]

  init(incarnation: UInt32, _ found: [Rows]) {
    self.incarnation = incarnation
    let (gateways, counts, server, standbys) = (found[0], found[1], found[2], found[3])
    self.gateways = (0..<gateways.count).map { row in
      Gateway(
        name: gateways.text(row, 0) ?? "", epoch: UInt64(gateways.integer(row, 1) ?? 0),
        leaseLeft: Double(gateways.integer(row, 2) ?? 0) / 1000,
        hasPins: gateways.boolean(row, 3) ?? false)
    }
    func count(_ column: Int) -> Int { Int(counts.integer(0, column) ?? 0) }
    (live, stale, aliases) = (count(0), count(1), count(2))
    (watches, limbo, changes) = (count(3), count(4), count(5))
    serverVersion = server.text(0, 0) ?? ""
    synchronousCommit = server.text(0, 1) ?? ""
    isStandby = server.boolean(0, 2) ?? false
    place = server.text(0, 3) ?? ""
    let seen = (0..<standbys.count).compactMap { row -> Standby? in
      guard let state = standbys.text(row, 1) else { return nil }
      return Standby(
        name: standbys.text(row, 0) ?? "", state: state,
        synchronization: standbys.text(row, 2) ?? "")
    }
    self.standbys = seen.count == standbys.count ? seen : nil
  }
}
