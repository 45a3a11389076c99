internal import HandleStore

/// The ids that a gateway has reserved for itself, and not used yet.
struct IDRange {
  private var next: Int64 = 0
  private var end: Int64 = 0

  /// How many ids a gateway reserves at a time, at least.
  static let length: Int64 = 16_384

  var count: Int64 { end - next }
  var first: NodeID { NodeID(signed: next) }

  mutating func consume(_ count: Int) { next += Int64(count) }

  /// How far a database that has gone another way than before jumps ahead. What it lost may have been ids:
  /// those of a standby that was promoted before it had all, or of a backup that was put back.
  private static let jump: Int64 = 1 << 40

  /// Reserves ids. One statement, so it is in effect when it is confirmed.
  static func reserving(_ count: Int64) -> Statement {
    Statement(
      """
      UPDATE handlestore_store s SET lineage = l.name,
        next_id = s.next_id + $1 + CASE WHEN s.lineage = l.name THEN 0 ELSE $2 END
      FROM (SELECT \(Schema.lineage) AS name) l
      RETURNING s.next_id
      """, [.integer(count), .integer(jump)])
  }

  /// Takes the ids that were reserved.
  mutating func take(_ rows: Rows, _ count: Int64) throws {
    guard let end = rows.integer(0, 0) else {
      throw StoreError.damaged("handlestore_store has no row")
    }
    (next, self.end) = (end - count, end)
  }
}
