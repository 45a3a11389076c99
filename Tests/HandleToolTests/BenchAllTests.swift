import Foundation
import TestSupport
import Testing

/// `handlebench all`, as small as it can be.
@Suite(.enabled(if: (try? run("sh", "-c", "command -v gnuplot").status) == 0, "no gnuplot"))
struct BenchAllTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private var page: String { directory.appending("report.html").string }

  private func words(_ place: String, _ page: String, path: String) -> [String] {
    [
      "/usr/bin/env", "PATH=\(path)", Commands.handlebench, "all", "--quick", "--directory",
      place, "--handlefs", "/no/such/handlefs", "--html", page,
    ]
  }

  private static let path = "/usr/local/bin:/usr/bin:/bin"

  private var leftovers: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: directory.path.string) }
  }

  // MARK: A whole run

  @Test(.timeLimit(.minutes(5))) func everythingIsOnThePage() throws {
    let result = try run(words(directory.path.string, page, path: Self.path))
    try #require(result.status == 0, "\(result.errors)")
    let text = try String(contentsOfFile: page, encoding: .utf8)
    for heading in ["A store of 1,000 nodes", "A store of 2,000 nodes", "Growth", "Threads"] {
      #expect(text.contains(heading), "\(heading)")
    }
    // HandleFS is not there, and PostgreSQL may not be.
    #expect(text.contains("fs: there is no program /no/such/handlefs"))
    #expect(text.contains("A store that gateways share") != text.contains("shared: there is no"))
    #expect(try leftovers == ["report.html"])
  }

  // MARK: A run that ends early

  /// The process of a run that has begun, and the name of its place.
  private func begun(_ output: FileHandle? = nil) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = Array(words(directory.path.string, page, path: Self.path).dropFirst())
    process.standardOutput = output ?? .nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    #expect(try eventually(seconds: 30) { try !leftovers.isEmpty })
    return process
  }

  /// The command lines of the run's processes.
  private var processes: [String] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return all.compactMap { name in
      FileManager.default.contents(atPath: "/proc/\(name)/cmdline").map {
        String(decoding: $0, as: UTF8.self).replacing("\0", with: " ")
      }
    }.filter { $0.contains(directory.path.string) }
  }

  @Test(arguments: [SIGINT, SIGTERM, SIGHUP]) func interruption(_ signal: Int32) throws {
    let files = try TemporaryDirectory()
    try write("", to: files.appending("output"))
    let output = URL(fileURLWithPath: files.appending("output").string)
    let process = try begun(FileHandle(forWritingTo: output))
    usleep(500_000)
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    // The benchmark that ran did not go on to its end.
    #expect(try !String(contentsOf: output, encoding: .utf8).contains("medians of the rounds"))
    #expect(process.terminationReason == .exit && process.terminationStatus == 1)
    #expect(try leftovers == [])
    #expect(processes == [])
  }

  /// Killed while the database server runs.
  @Test(.enabled(if: DatabaseServer.isInstalled, "PostgreSQL 15 is not installed"))
  func aKilledRunLeavesNoProcess() throws {
    let process = try begun()
    #expect(eventually(seconds: 120) { processes.contains { $0.contains("postgres -D ") } })
    // The server asks for no password, so nobody else may reach its socket.
    let socket = "/tmp/handlebench-\(process.processIdentifier)"
    let attributes = try FileManager.default.attributesOfItem(atPath: socket)
    #expect(attributes[.posixPermissions] as? Int == 0o700)
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(eventually(seconds: 60) { processes == [] }, "\(processes)")
    try? FileManager.default.removeItem(atPath: socket)
  }

  // MARK: What is refused before anything is measured

  private func errors(_ path: String, _ place: String, _ page: String) throws -> String {
    let result = try run(words(place, page, path: path))
    #expect(result.status == 1)
    #expect(result.output == "", "something was measured")
    #expect(try leftovers == [])
    return result.errors
  }

  @Test func aMissingGnuplotIsNamed() throws {
    let found = try errors("/nonexistent", directory.path.string, page)
    #expect(found.contains("install Debian's package gnuplot-nox"), "\(found)")
  }

  @Test func aDirectoryThatIsNotThere() throws {
    let place = directory.appending("none").string
    let found = try errors(Self.path, place, page)
    #expect(found.contains("\(place) is not a directory that can be written to"), "\(found)")
  }

  @Test func aPageThatCannotBeWritten() throws {
    let found = try errors(
      Self.path, directory.path.string, directory.appending("none/page.html").string)
    #expect(found.contains("none/page.html cannot be written"), "\(found)")
  }
}
