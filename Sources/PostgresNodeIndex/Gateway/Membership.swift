internal import HandleStore

/// What a gateway knows of its own row in `handlestore_gateway`, and of the others.
///
/// **The epoch** fences: each write names it and fails if the row has another one by now. It
/// changes when a process joins under the name, and when the gateway reconnects; so a write of an
/// earlier connection, which the server may still have in hand, can no longer take effect.
///
/// **The number of writes** tells what became of a write whose confirmation was lost.
struct Membership {
  private(set) var row: Row
  /// The row as it was before the gateway joined; `nil` if there was none, or its lease was over.
  let former: Former?
  /// How many writes took effect.
  var writes: Int64
  /// The number of the last change that this gateway has told to the others.
  var changes: Int64
  /// The numbers of the last changes of the other gateways that are in the cache. Those of an earlier
  /// process under the name are among them until the lease is renewed for the first time.
  var seen: [Int64: Int64]
  /// When they were the last ones, in nanoseconds of `CLOCK_BOOTTIME`.
  var moment: UInt64
  /// The longest lease that any gateway has or had, in milliseconds. A change is told for twice as
  /// long: by then a gateway has heard of it, or its lease is over.
  private(set) var longestLease: Int64 = 0
  /// The number of the last proposal to drop nodes to which the gateway has agreed; `nil` if it is
  /// not asked.
  var agreed: Int64?
  /// Whether its clients may hold nodes by pins, or those of an earlier process under the name.
  var hasPins: Bool
  /// The store's numbers.
  let store: StoreNumbers

  var id: Int64 { row.id }
  var epoch: Int64 { row.epoch }

  /// A row of `handlestore_gateway`, under one epoch.
  struct Row: Equatable {
    let id: Int64
    let epoch: Int64
  }

  /// What a gateway finds that joins.
  struct Former {
    let row: Row
    /// How long the lease was, in milliseconds.
    let lease: Int64
  }

  struct StoreNumbers: Equatable {
    let number: UInt64
    let incarnation: UInt32
    /// See ``Schema/lineage``.
    let lineage: String
  }
}

/// What the row of a gateway says of it, whenever it joins.
struct GatewayTerms {
  /// How long the lease lasts, in milliseconds.
  let lease: Int64
  /// Whether the others must ask it before they drop nodes.
  let isAsked: Bool
  /// Whether its clients hold nodes by pins.
  let hasPins: Bool
}

// MARK: Joining

extension Membership {
  /// What is true of a gateway that may hold nodes. Without a lease nothing is answered from memory, so
  /// one that is away holds by pins only, or as roots of exports, if it was stopped and goes on. It is
  /// not waited for longer than this, as if it had ended.
  static let mayHoldNodes =
    "(has_pins OR lease_until > clock_timestamp() - interval '1 hour')"

  /// The statements with which a gateway joins, under a name.
  /// They also remove the rows that gateways have left which were killed long ago. By then every
  /// gateway has heard of the last changes of these, and no call of theirs still waits. If the
  /// store has another format, they fail before they change anything.
  ///
  /// - Parameters:
  ///   - session: a random number of this process.
  ///   - former: what the process knew of its row before; `nil` if it joins for the first time, and takes
  ///     the name from whoever has it. Otherwise it must still have the name, or the database must have lost
  ///     that it joined: then the same row has an earlier epoch.
  ///   - terms: what else its row says.
  static func joining(
    _ name: String, session: Int64, after former: Membership?, _ terms: GatewayTerms
  ) -> [Statement] {
    [
      Schema.requiringFormat,
      Statement(
        """
        SELECT id, epoch, lease_milliseconds FROM handlestore_gateway
        WHERE name = $1 AND lease_until > clock_timestamp()
        """, [.text(name)]),
      Statement(
        """
        INSERT INTO handlestore_gateway (id, name, session, epoch, lease_until, lease_milliseconds,
          writes, changes, nodes, has_pins)
        VALUES ($2, $1, $3, 0, clock_timestamp(), 0, 0, 0, 0, false)
        ON CONFLICT (name) DO NOTHING
        """,
        // No other gateway ever had the id: the others may still know the changes of a former one.
        [.text(name), .integer(.random(in: 1 ... .max)), .integer(session)]),
      // Waits for a write of the former connection that the server has in hand.
      Statement(
        """
        UPDATE handlestore_gateway SET epoch = epoch + 1, session = $3,
          lease_until = clock_timestamp() + $2 * interval '1 millisecond', lease_milliseconds = $2,
          agreed = CASE WHEN $5 THEN 0 END, has_pins = has_pins OR $6
        WHERE name = $1 AND ($4 OR session = $3 OR id = $7 AND epoch < $8)
        RETURNING id, epoch, writes, changes, agreed, has_pins
        """,
        [
          .text(name), .integer(terms.lease), .integer(session), .boolean(former == nil),
          .boolean(terms.isAsked), .boolean(terms.hasPins), .integer(former?.id ?? 0),
          .integer(former?.epoch ?? 0),
        ]),
      // The others may have objected without this database knowing it.
      Eviction.withdrawingAll(session),
      Statement("SELECT id, changes FROM handlestore_gateway"),
      Statement("SELECT number, incarnation, \(Schema.lineage) FROM handlestore_store"),
      Statement(
        """
        WITH gone AS (
          DELETE FROM handlestore_gateway
          WHERE lease_until < clock_timestamp() - interval '1 day' AND NOT has_pins
          RETURNING id, nodes
        ), told AS (
          DELETE FROM handlestore_change c USING gone WHERE c.gateway = gone.id
        )
        UPDATE handlestore_store s SET nodes = s.nodes + g.nodes
        FROM (SELECT sum(nodes)::bigint AS nodes FROM gone) g WHERE g.nodes IS NOT NULL
        """),
    ]
  }

  /// Takes up what the statements returned that began at a moment; `nil` if another process has joined
  /// under the name.
  init?(_ found: [Rows], at moment: UInt64) throws {
    let (former, own, gateways, numbers) = (found[1], found[3], found[5], found[6])
    guard own.count == 1, let id = own.integer(0, 0), let epoch = own.integer(0, 1),
      let writes = own.integer(0, 2), let changes = own.integer(0, 3)
    else { return nil }
    guard numbers.count == 1, let number = numbers.integer(0, 0),
      let incarnation = numbers.integer(0, 1), let lineage = numbers.text(0, 2)
    else { throw StoreError.damaged("handlestore_store has no row") }
    row = Row(id: id, epoch: epoch)
    self.former = former.count > 0 ? Former(former) : nil
    self.moment = moment
    (self.writes, self.changes) = (writes, changes)
    (agreed, hasPins) = (own.integer(0, 4), own.boolean(0, 5) ?? true)
    store = StoreNumbers(
      number: UInt64(bitPattern: number), incarnation: UInt32(truncatingIfNeeded: incarnation),
      lineage: lineage)
    seen = [:]
    for row in 0..<gateways.count {
      guard let other = gateways.integer(row, 0), let last = gateways.integer(row, 1), other != id
      else { continue }
      seen[other] = last
    }
  }
}

extension Membership.Former {
  /// The first of rows with an id, an epoch and a lease.
  fileprivate init?(_ rows: Rows) {
    guard let id = rows.integer(0, 0), let epoch = rows.integer(0, 1),
      let lease = rows.integer(0, 2)
    else { return nil }
    self.init(row: Membership.Row(id: id, epoch: epoch), lease: lease)
  }
}

// MARK: Writing and renewing

extension Membership {
  /// The first statement of each write. It fails if the gateway was fenced or its lease is over.
  ///
  /// - Parameters:
  ///   - nodes: how many nodes the write adds.
  ///   - changed: how many nodes it changes.
  func fence(nodes: Int, changed: Int) -> Statement {
    Statement(
      RowChanges.requiring(1, Self.fence(where: "true")),
      fenceParameters(nodes: nodes, changed: changed))
  }

  /// Counts a write, if the gateway may write and a condition holds. The parameters `$1` to `$5`
  /// are ``fenceParameters(nodes:changed:)``.
  static func fence(where condition: String) -> String {
    """
    UPDATE handlestore_gateway SET writes = $3, nodes = nodes + $4, changes = $5
    WHERE id = $1 AND epoch = $2 AND lease_until > clock_timestamp() AND \(condition)
    """
  }

  func fenceParameters(nodes: Int, changed: Int) -> [Parameter] {
    [
      .integer(id), .integer(epoch), .integer(writes + 1), .integer(Int64(nodes)),
      .integer(changes + Int64(changed)),
    ]
  }

  /// Gives the lease back, and removes the row, unless others must still hear of changes, or
  /// clients hold nodes.
  func leaving(withPins: Bool) -> [Statement] {
    let own: [Parameter] = [.integer(id), .integer(epoch)]
    return [
      Statement(
        """
        UPDATE handlestore_gateway SET lease_until = clock_timestamp(), has_pins = $3,
          agreed = CASE WHEN $3 THEN agreed END
        WHERE id = $1 AND epoch = $2
        """, own + [.boolean(withPins)]),
      Statement(
        """
        WITH gone AS (
          DELETE FROM handlestore_gateway WHERE id = $1 AND epoch = $2 AND NOT has_pins
            AND NOT EXISTS (SELECT FROM handlestore_change WHERE gateway = $1)
          RETURNING nodes
        )
        UPDATE handlestore_store s SET nodes = s.nodes + gone.nodes FROM gone
        """, own),
    ]
  }

  /// Removes the row of a gateway that is gone, and its changes, of which all have heard. The first
  /// statement returns a row if it did so, the second in how many milliseconds that is possible.
  static func removing(_ name: String) -> [Statement] {
    let remaining = """
      extract(epoch FROM lease_until - clock_timestamp()) * 1000
        + 2 * (SELECT coalesce(max(lease_milliseconds), 0) FROM handlestore_gateway
          WHERE lease_until > clock_timestamp())
      """
    return [
      Statement(
        """
        WITH gone AS (
          DELETE FROM handlestore_gateway WHERE name = $1 AND \(remaining) < 0 RETURNING id, nodes
        ), told AS (
          DELETE FROM handlestore_change c USING gone WHERE c.gateway = gone.id
        )
        UPDATE handlestore_store s SET nodes = s.nodes + gone.nodes FROM gone RETURNING 1::bigint
        """, [.text(name)]),
      Statement(
        "SELECT (\(remaining))::bigint FROM handlestore_gateway WHERE name = $1", [.text(name)]),
    ]
  }

  /// Tells the other gateways that nodes have changed.
  func telling(of nodes: [NodeID]) -> Statement {
    Statement(
      """
      INSERT INTO handlestore_change (gateway, number, node)
      SELECT $1, $2 + u.place, u.node FROM unnest($3) WITH ORDINALITY AS u (node, place)
      """, [.integer(id), .integer(changes), .integers(nodes.map(\.signed))])
  }

  /// The statements that renew the lease, and find what the others have changed since and which
  /// filesystems there are.
  ///
  /// - Parameter told: changes of this gateway up to this number are known to all, or their leases
  ///   are over.
  func renewing(_ session: Int64, lease: Int64, told: Int64) -> [Statement] {
    let others = seen.sorted { $0.key < $1.key }
    return [
      Statement(
        RowChanges.requiring(
          1,
          """
          UPDATE handlestore_gateway
          SET lease_until = clock_timestamp() + $3 * interval '1 millisecond'
          WHERE id = $1 AND epoch = $2 AND lease_until > clock_timestamp()
          """), [.integer(id), .integer(epoch), .integer(lease)]),
      // Before the changes: if a node is no longer listed because it was dropped, that is among
      // them.
      Eviction.removingAbandoned,
      Eviction.foreign(session),
      Statement(
        """
        SELECT c.gateway, c.number, c.node
        FROM unnest($1, $2) AS s (gateway, number)
          CROSS JOIN LATERAL (
            SELECT * FROM handlestore_change WHERE gateway = s.gateway AND number > s.number OFFSET 0
          ) c
        """, [.integers(others.map(\.key)), .integers(others.map(\.value))]),
      Statement("SELECT id, lease_milliseconds FROM handlestore_gateway"),
      Schema.filesystems,
      Statement(
        "DELETE FROM handlestore_change WHERE gateway = $1 AND number <= $2",
        [.integer(id), .integer(told)]),
    ]
  }

  /// Takes up the changes of the others, and returns the nodes that changed, and whether a gateway
  /// is new: then ask again. `gateways` has all of them, each with the length of its lease.
  mutating func take(_ changes: Rows, of gateways: Rows) -> (nodes: [NodeID], isIncomplete: Bool) {
    var nodes: [NodeID] = []
    for row in 0..<changes.count {
      guard let gateway = changes.integer(row, 0), let number = changes.integer(row, 1),
        let node = changes.node(row, 2)
      else { continue }
      seen[gateway] = max(seen[gateway] ?? 0, number)
      nodes.append(node)
    }
    let all = Set((0..<gateways.count).compactMap { gateways.integer($0, 0) })
    seen = seen.filter { all.contains($0.key) && $0.key != id }
    let new = all.filter { $0 != id && seen[$0] == nil }
    for gateway in new { seen[gateway] = 0 }
    longestLease =
      (0..<gateways.count).compactMap { gateways.integer($0, 1) }.max() ?? longestLease
    return (nodes, !new.isEmpty)
  }
}
