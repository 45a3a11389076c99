import Glibc
import TestSupport
import Testing

@testable import PostgresNodeIndex

/// Values of each type on the way to the server and back.
@Suite(.server) struct ValueTests {
  private func returned(_ value: Parameter) throws -> Rows {
    try Connection().run(Statement("SELECT $1", [value]))[0]
  }

  @Test func integers() throws {
    let connection = try Connection()
    for value in [0, 1, -1, 255, 256, .max, .min] as [Int64] {
      #expect(try connection.integer("SELECT $1", [.integer(value)]) == value)
    }
    #expect(try connection.integer("SELECT NULL::int8") == nil)
    #expect(try connection.integer("SELECT $1 - 1", [.integer(-5)]) == -6)
  }

  @Test func booleans() throws {
    let row = try Connection().run(
      Statement("SELECT $1, $2, NULL::bool, NOT $1", [.boolean(true), .boolean(false)]))[0]
    #expect((0..<4).map { row.boolean(0, $0) } == [true, false, nil, false])
  }

  @Test func texts() throws {
    let long = String(repeating: "ä", count: 500_000)
    let connection = try Connection()
    for value in ["", "a", "'\"\\$1", "näme 🗂", long] {
      let rows = try connection.run(
        Statement("SELECT $1, length($1)::int8", [.text(value)]))[0]
      #expect(rows.text(0, 0) == value)
      #expect(rows.integer(0, 1) == Int64(value.unicodeScalars.count))
    }
    #expect(try connection.run(Statement("SELECT NULL::text"))[0].text(0, 0) == nil)
    let refused = try error { () throws(PostgresError) in
      try connection.run(Statement("SELECT $1", [.text("a\0b")]))
    }
    #expect(refused.state == "22021")
  }

  @Test func bytes() throws {
    let long = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let connection = try Connection()
    for value in [[], [0], [0, 0xff, 0x5c, 0x27], long] as [[UInt8]] {
      let rows = try connection.run(Statement("SELECT ($1)[1]", [.byteStrings([value])]))
      #expect(rows[0].bytes(0, 0) == value)
    }
    #expect(try connection.run(Statement("SELECT NULL::bytea"))[0].bytes(0, 0) == nil)
  }

  @Test func listsOfIntegers() throws {
    let long = (0..<10_000).map { Int64($0) * 0x1_0000_0001 }
    for value in [[], [7], [.min, 0, .max], long] {
      #expect(try returned(.integers(value)).integers(0, 0) == value)
    }
    let rows = try Connection().run(Statement("SELECT NULL::int8[], '{}'::int8[]"))[0]
    #expect(rows.integers(0, 0) == nil && rows.integers(0, 1) == [])
  }

  /// The elements of a list as the server sees them, in its order.
  private func elements(_ list: Parameter) throws -> Rows {
    let rows = try Connection().run(
      Statement("SELECT e, n FROM unnest($1) WITH ORDINALITY AS u (e, n) ORDER BY n", [list]))[0]
    #expect((0..<rows.count).allSatisfy { rows.integer($0, 1) == Int64($0 + 1) })
    return rows
  }

  @Test func elementsOfLists() throws {
    let integers: [Int64?] = [1, nil, -1] + (0..<10_000).map { Int64($0) }
    let found = try elements(.integers(integers))
    #expect((0..<found.count).map { found.integer($0, 0) } == integers)

    let booleans = (0..<10_000).map { $0 % 3 == 0 }
    let flags = try elements(.booleans(booleans))
    #expect((0..<flags.count).map { flags.boolean($0, 0) } == booleans)

    let strings: [[UInt8]] = [[], [0]] + (0..<10_000).map { [UInt8]("\($0)\0".utf8) }
    let bytes = try elements(.byteStrings(strings))
    #expect((0..<bytes.count).map { bytes.bytes($0, 0) } == strings)
  }

  @Test(arguments: [.integers([]), .booleans([]), .byteStrings([])] as [Parameter])
  func noElements(_ list: Parameter) throws {
    #expect(try elements(list).count == 0)
  }

  @Test func countsOfRows() throws {
    let connection = try Connection()
    let rows = try connection.run(
      Statement("CREATE TABLE t (i int8)"),
      Statement("INSERT INTO t SELECT generate_series(1, 10)"),
      Statement("UPDATE t SET i = -i WHERE i > $1", [.integer(3)]),
      Statement("SELECT i FROM t ORDER BY i"),
      Statement("DELETE FROM t WHERE i > 100"))
    #expect(rows.map(\.affected) == [0, 10, 7, 10, 0])
    #expect(rows.map(\.count) == [0, 0, 0, 10, 0])
    #expect(rows[3].integer(0, 0) == -10 && rows[3].integer(9, 0) == 3)
  }

  /// The traps: another type than the column has, a row that is not there, a null in a list.
  @Test(arguments: 0..<4) func mistakesInTheProgram(_ mistake: Int) async throws {
    await #expect(processExitsWith: .signal(SIGILL)) { [mistake] in
      let row = try Connection().run(Statement("SELECT 1::int4, 1::int8, '{1,NULL}'::int8[]"))[0]
      switch mistake {
      case 0: _ = row.integer(0, 0)
      case 1: _ = row.text(0, 1)
      case 2: _ = row.integer(1, 1)
      default: _ = row.integers(0, 2)
      }
    }
  }
}
