internal import HandleStore
internal import HandleLocks
internal import SystemPackage

/// How gateways agree on nodes to drop.
///
/// The gateway that evicts puts the nodes into `handlestore_eviction`, under a number. Each of the
/// others sees them at its next heartbeat, removes those that it holds, and notes the number in its
/// own row (`agreed`), in one transaction. When all gateways have agreed, the nodes that are left
/// may be dropped, by a transaction that fails if a gateway has joined since or a node is not in
/// the table any more. A gateway that has agreed and then gets to hold such a node removes it from
/// the table first (``keep(_:)``).
///
/// A gateway that joins, or joins again, has agreed to nothing and wants to drop nothing. So as
/// long as a gateway is away, nothing is dropped that it may hold, unless its row is removed. And
/// after a standby was promoted that does not know the newest objections, nothing is dropped before
/// all were asked again.
extension Gateway {
  /// Tells the gateway what holds nodes in this process.
  func use(_ holds: any NodeHolds) { evictions.use(holds) }

  // MARK: Answering

  /// Answers the other gateways. `listed` has all that they want to drop.
  func answer(_ listed: [Eviction], _ state: inout State) throws {
    evictions.replace(by: Set(listed.map(\.node)))
    guard let holds = evictions.holds, let last = listed.map(\.number).max(),
      state.membership.agreed.map({ $0 < last }) ?? false,
      // Until then, a predecessor's clients may hold any node.
      !hadPins || holds.areComplete
    else { return }
    let objections = listed.filter { $0.isLive && keepsLive || holds.isHeld($0.node) }
    _ = try run(state.membership.agreeing(to: last, but: objections.map(\.node)), &state)
    state.membership.agreed = last
    evictions.remove(objections.map(\.node))
  }

  /// Keeps the others from dropping nodes that something in this process holds by now. If they have
  /// dropped one, no call finds it from here on.
  func keep(_ ids: [NodeID]) throws {
    let listed = evictions.listed(of: ids)
    guard !listed.isEmpty else { return }
    try write([Eviction.objecting(to: listed)]) {
      cache?.remove(listed)
      // Not later: the gateway could have agreed to another proposal meanwhile.
      evictions.remove(listed)
    }
  }

  /// Notes that clients may hold nodes by pins, for as long as the gateway has its row.
  func beginPinning() throws {
    guard state.withLock({ !$0.membership.hasPins }) else { return }
    // By the session: the write may have to join again, and then the row may have another id.
    _ = try write([
      Statement(
        "UPDATE handlestore_gateway SET has_pins = true WHERE session = $1", [.integer(session)])
    ])
    state.withLock { $0.membership.hasPins = true }
  }

  /// Whether clients hold nodes by pins, or may do so because those of an earlier process were not
  /// taken up.
  var clientsHold: Bool {
    guard let holds = evictions.holds else { return hadPins }
    return hadPins && !holds.areComplete || holds.includePins
  }

  // MARK: Asking

  /// Asks all other gateways whether they hold some nodes, and waits for their answers.
  ///
  /// - Returns: the nodes that none of them holds.
  func agreement(on ids: [NodeID]) throws -> [NodeID] {
    let number = try propose(ids)
    do {
      try waitForAnswers(to: number)
      let rows = try database.read(Eviction.droppable(ids, session))
      let agreed = Set((0..<rows.count).compactMap { rows.node($0, 0) })
      return ids.filter(agreed.contains)
    } catch {
      _ = try? write([Eviction.withdrawing(ids, session)])
      throw error
    }
  }

  /// Puts nodes into the table, and returns the number under which they are there.
  private func propose(_ ids: [NodeID]) throws -> Int64 {
    while true {
      guard let rows = try write(Eviction.proposing(ids, session)) else { continue }
      return rows[1].integer(0, 0) ?? 0
    }
  }

  private func waitForAnswers(to number: Int64) throws {
    let longest = state.withLock { $0.membership.longestLease }
    let end = ContinuousClock.now + .milliseconds(2 * longest + 1000)
    while true {
      let rows = try database.read(Eviction.silent(on: number, session))
      guard rows.count > 0 else { return }
      let isOver = rows.boolean(0, 1) ?? false
      guard !isOver, ContinuousClock.now < end else {
        throw Self.silence(of: rows.text(0, 0) ?? "", isOver: isOver)
      }
      SystemCalls.sleep(microseconds: 20_000)
    }
  }

  private static func silence(of name: String, isOver: Bool) -> StoreError {
    let reason =
      isOver
      ? "its lease is over; start it again, or remove it with `handlestore shared remove`"
      : "it has not answered in time; try again, and see that it has called evict() since it began"
    return .system(
      .resourceBusy,
      "dropping nodes: the gateway \(name) may hold them, and \(reason)")
  }
}

// MARK: Statements

/// A row of `handlestore_eviction`: a node that a gateway, named by its session, wants to drop.
struct Eviction {
  let node: NodeID
  let number: Int64
  let isLive: Bool

  /// Finds all that other gateways want to drop. Usually that is nothing.
  static func foreign(_ session: Int64) -> Statement {
    Statement(
      "SELECT node, number, is_live FROM handlestore_eviction WHERE session <> $1",
      [.integer(session)])
  }

  static func all(in rows: Rows) -> [Eviction] {
    (0..<rows.count).compactMap { row in
      guard let node = rows.node(row, 0), let number = rows.integer(row, 1),
        let isLive = rows.boolean(row, 2)
      else { return nil }
      return Eviction(node: node, number: number, isLive: isLive)
    }
  }

  /// Puts nodes into the table. The second statement returns their number. Numbers grow in the
  /// order of the commits, because each waits for the row of the store.
  static func proposing(_ ids: [NodeID], _ session: Int64) -> [Statement] {
    [
      withdrawingAll(session),
      Statement("UPDATE handlestore_store SET evictions = evictions + 1 RETURNING evictions"),
      Statement(
        """
        INSERT INTO handlestore_eviction (node, session, number, is_live)
        SELECT n.id, $2, s.evictions, n.state = 1
        FROM handlestore_node n CROSS JOIN handlestore_store s WHERE n.id = ANY ($1)
        ON CONFLICT (node) DO UPDATE SET session = excluded.session, number = excluded.number,
          is_live = excluded.is_live
        """, [.integers(ids.map(\.signed)), .integer(session)]),
    ]
  }

  /// Removes nodes that the gateway wanted to drop.
  static func withdrawing(_ ids: [NodeID], _ session: Int64) -> Statement {
    Statement(
      "DELETE FROM handlestore_eviction WHERE node = ANY ($1) AND session = $2",
      [.integers(ids.map(\.signed)), .integer(session)])
  }

  /// Removes all nodes that the gateway wanted to drop.
  static func withdrawingAll(_ session: Int64) -> Statement {
    Statement("DELETE FROM handlestore_eviction WHERE session = $1", [.integer(session)])
  }

  /// Removes what gateways have left that are gone. What one of them is dropping at this moment
  /// stays.
  static let removingAbandoned = Statement(
    """
    DELETE FROM handlestore_eviction WHERE node = ANY (ARRAY(
      SELECT e.node FROM handlestore_eviction e WHERE NOT EXISTS (
        SELECT FROM handlestore_gateway g
        WHERE g.session = e.session AND g.lease_until > clock_timestamp())
      FOR UPDATE SKIP LOCKED))
    """)

  /// Removes nodes that something holds.
  static func objecting(to nodes: [NodeID]) -> Statement {
    Statement(
      "DELETE FROM handlestore_eviction WHERE node = ANY ($1)", [.integers(nodes.map(\.signed))])
  }

  /// Finds a gateway that has not answered: first one whose lease is over. None if nothing is left
  /// that could be dropped.
  static func silent(on number: Int64, _ session: Int64) -> Statement {
    Statement(
      """
      SELECT name, lease_until <= clock_timestamp() FROM handlestore_gateway
      WHERE session <> $1 AND agreed < $2 AND \(Membership.mayHoldNodes)
        AND EXISTS (SELECT FROM handlestore_eviction WHERE session = $1)
      ORDER BY 2 DESC, 1 LIMIT 1
      """, [.integer(session), .integer(number)])
  }

  /// What is true of a row `e` of nodes `$1` that the gateway `$2` may drop.
  private static let isAgreed = """
    e.node = ANY ($1) AND e.session = $2 AND NOT EXISTS (
      SELECT FROM handlestore_gateway g
      WHERE g.session <> $2 AND g.agreed < e.number AND \(Membership.mayHoldNodes))
    """

  /// Finds those of some nodes that all others have agreed to drop.
  static func droppable(_ ids: [NodeID], _ session: Int64) -> Statement {
    Statement(
      "SELECT e.node FROM handlestore_eviction e WHERE \(isAgreed)",
      [.integers(ids.map(\.signed)), .integer(session)])
  }

  /// Fails unless all others still agree to drop some nodes.
  static func requiringAgreement(on ids: [NodeID], _ session: Int64) -> Statement {
    Statement(
      RowChanges.requiring(
        parameter: 3, "DELETE FROM handlestore_eviction e WHERE \(isAgreed)"),
      [.integers(ids.map(\.signed)), .integer(session), .integer(Int64(ids.count))])
  }
}

extension Membership {
  /// Removes the nodes that the gateway holds, and agrees to the rest.
  func agreeing(to number: Int64, but held: [NodeID]) -> [Statement] {
    [
      Statement(
        RowChanges.requiring(
          1,
          """
          UPDATE handlestore_gateway SET agreed = $3
          WHERE id = $1 AND epoch = $2 AND lease_until > clock_timestamp()
          """), [.integer(id), .integer(epoch), .integer(number)]),
      Eviction.objecting(to: held),
    ]
  }
}
