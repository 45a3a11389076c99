internal import HandleStore

/// The tables of a shared store, in the first schema of the connection's `search_path`
/// (Docs/Gateways.md). Plain SQL: no triggers, no sequences, no functions.
enum Schema {
  /// The version that this library reads and writes.
  static let format: Int64 = 1

  /// Creates the tables. The first statement is a lock, and ``first`` comes last.
  static let create = [
    // Two gateways that begin at the same time would get in each other's way.
    "SELECT pg_advisory_xact_lock(7523094288207667)::text",
    """
    CREATE TABLE IF NOT EXISTS handlestore_store (
      only_row boolean PRIMARY KEY CHECK (only_row),
      format integer NOT NULL,
      number bigint NOT NULL,
      incarnation bigint NOT NULL,
      next_id bigint NOT NULL,
      lineage text NOT NULL,
      nodes bigint NOT NULL,
      evictions bigint NOT NULL,
      limbo_overflowed boolean NOT NULL)
    """,
    """
    CREATE TABLE IF NOT EXISTS handlestore_gateway (
      id bigint PRIMARY KEY,
      name text NOT NULL UNIQUE,
      session bigint NOT NULL,
      epoch bigint NOT NULL,
      lease_until timestamptz NOT NULL,
      lease_milliseconds bigint NOT NULL,
      writes bigint NOT NULL,
      changes bigint NOT NULL,
      nodes bigint NOT NULL,
      agreed bigint,
      has_pins boolean NOT NULL)
    """,
    """
    CREATE TABLE IF NOT EXISTS handlestore_filesystem (
      id integer PRIMARY KEY,
      known text NOT NULL)
    """,
    """
    CREATE TABLE IF NOT EXISTS handlestore_node (
      id bigint PRIMARY KEY,
      parent bigint,
      hint bigint,
      since bigint NOT NULL,
      version integer NOT NULL,
      handle_type integer NOT NULL,
      type integer NOT NULL,
      filesystem smallint NOT NULL,
      state smallint NOT NULL,
      handle bytea NOT NULL)
    """,
    "CREATE INDEX IF NOT EXISTS handlestore_node_stale ON handlestore_node (id) WHERE \(isStale)",
    """
    CREATE TABLE IF NOT EXISTS handlestore_key (
      key bytea PRIMARY KEY,
      node bigint NOT NULL,
      is_alias boolean NOT NULL)
    """,
    """
    CREATE TABLE IF NOT EXISTS handlestore_alias (
      node bigint NOT NULL,
      key bytea NOT NULL,
      since bigint NOT NULL,
      handle_type integer NOT NULL,
      type integer NOT NULL,
      filesystem smallint NOT NULL,
      handle bytea NOT NULL,
      PRIMARY KEY (node, key))
    """,
    """
    CREATE TABLE IF NOT EXISTS handlestore_place (
      node bigint NOT NULL,
      directory bigint NOT NULL,
      PRIMARY KEY (node, directory))
    """,
    """
    CREATE TABLE IF NOT EXISTS handlestore_watch (
      node bigint NOT NULL,
      watcher bigint NOT NULL,
      mask bigint NOT NULL,
      PRIMARY KEY (node, watcher))
    """,
    """
    CREATE TABLE IF NOT EXISTS handlestore_limbo (
      node bigint PRIMARY KEY,
      is_reported boolean NOT NULL)
    """,
    """
    CREATE INDEX IF NOT EXISTS handlestore_limbo_news ON handlestore_limbo (node)
    WHERE NOT is_reported
    """,
    """
    CREATE TABLE IF NOT EXISTS handlestore_change (
      gateway bigint NOT NULL,
      number bigint NOT NULL,
      node bigint NOT NULL,
      PRIMARY KEY (gateway, number))
    """,
    """
    CREATE TABLE IF NOT EXISTS handlestore_eviction (
      node bigint PRIMARY KEY,
      session bigint NOT NULL,
      number bigint NOT NULL,
      is_live boolean NOT NULL)
    """,
    """
    CREATE TABLE IF NOT EXISTS handlestore_file (
      name text PRIMARY KEY,
      contents text NOT NULL)
    """,
    """
    CREATE TABLE IF NOT EXISTS handlestore_lock (
      name text PRIMARY KEY)
    """,
    """
    INSERT INTO handlestore_lock (name) VALUES ('files'), ('filesystems')
    """,
  ]

  /// Fills in the numbers of a new store.
  static var first: Statement {
    Statement(
      """
      INSERT INTO handlestore_store (only_row, format, number, incarnation, next_id, lineage, nodes,
        evictions, limbo_overflowed)
      SELECT true, $1, $2, $3, 2, \(lineage), 0, 0, false ON CONFLICT DO NOTHING
      """,
      [
        .integer(format), .integer(.random(in: .min ... .max)),
        .integer(Int64(UInt32.random(in: 1...UInt32.max))),
      ])
  }

  /// Fails if the store has another format than ``format``.
  static let requiringFormat = Statement(
    "SELECT 1 / (CASE WHEN format = $1 THEN 1 ELSE 0 END) FROM handlestore_store",
    [.integer(format)])

  /// Finds the filesystems on record.
  static let filesystems = Statement("SELECT id::bigint, known FROM handlestore_filesystem")

  /// What is true of a stale node. There are few, and an index of them.
  static let isStale = "state = \(NodeState.stale.rawValue)"

  /// How many nodes there are: those that the gateways have added, and those of gateways that are
  /// gone.
  static let count = """
    (SELECT s.nodes + coalesce((SELECT sum(g.nodes) FROM handlestore_gateway g), 0)::bigint
     FROM handlestore_store s)
    """

  /// Keeps other gateways from dropping nodes until the transaction ends.
  static let lockingCount = Statement(
    "SELECT nodes FROM handlestore_store WHERE only_row FOR UPDATE")

  /// Fails if the store has fewer nodes.
  static func requiring(nodes: Int) -> Statement {
    Statement(
      "SELECT 1 / (CASE WHEN \(count) >= $1 THEN 1 ELSE 0 END)", [.integer(Int64(nodes))])
  }

  /// Names the run of the database: the cluster, when its server began, the database, and the file of a
  /// table. If it is another one than before, the database may have taken another way meanwhile: it may
  /// be a standby that was promoted before it had all, a backup or a dump that was put back, perhaps
  /// twice, or a copy (`CREATE DATABASE … TEMPLATE`), whose files have the same numbers.
  static let lineage = """
    (SELECT system_identifier || ' ' || extract(epoch FROM pg_postmaster_start_time())
       || ' ' || (SELECT oid FROM pg_database WHERE datname = current_database())
       || ' ' || pg_relation_filenode('handlestore_store')
     FROM pg_control_system())
    """
}
