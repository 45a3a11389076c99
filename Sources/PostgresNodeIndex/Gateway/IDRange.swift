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

  /// How far to jump ahead in another run of the database, which may not know which ids were handed
  /// out. A random number, because a backup may be put back twice. There is room for four million
  /// jumps.
  private static var jump: Int64 { .random(in: 1 << 40..<1 << 41) }

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
