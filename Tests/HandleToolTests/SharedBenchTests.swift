import TestSupport
import Testing

/// `handlebench shared` works in a schema of its own, and removes it.
@Suite(.enabled(if: DatabaseServer.isInstalled, "PostgreSQL 15 is not installed"))
struct SharedBenchTests {
  @Test func aSchemaThatIsThereIsLeftAlone() throws {
    let database = try DatabaseServer.database()
    try DatabaseServer.run("CREATE SCHEMA handlebench CREATE TABLE t ()", in: database)
    let result = try run([Commands.handlebench, "shared", database])
    #expect(result.status == 1)
    #expect(result.errors.contains("schema \"handlebench\" already exists"))
    try DatabaseServer.run("SELECT FROM handlebench.t", in: database)
  }

  @Test(arguments: [false, true]) func anInterruptedRunLeavesNothing(_ isURI: Bool) throws {
    let database = try DatabaseServer.database()
    let parts = database.split(separator: " ").map { $0.split(separator: "=")[1] }
    let uri = "postgresql:///\(parts[2])?host=\(parts[0])&user=\(parts[1])"
    let result = try run([
      "timeout", "--preserve-status", "-s", "INT", "2", Commands.handlebench, "shared",
      isURI ? uri : database,
    ])
    #expect(result.status == 1)
    #expect(result.errors.contains("interrupted"), "\(result.errors)")
    try DatabaseServer.run("CREATE SCHEMA handlebench", in: database)
    try DatabaseServer.run(
      "SELECT 1 / (count(*) = 0)::int FROM pg_class WHERE relname = 'handlestore_node'",
      in: database)
  }
}
