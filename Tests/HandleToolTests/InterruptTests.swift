import Foundation
import SystemPackage
import TestSupport
import Testing

/// `strace` interrupts every second call of one system call; the command must still succeed.
/// `openat` and `ftruncate` are left out: liblmdb calls them too and does not repeat them, because no
/// signal ends them on a local file.
@Suite(.opensHandles) struct InterruptTests {
  @Test(arguments: [
    "statx", "name_to_handle_at", "open_by_handle_at", "getdents64", "fstatfs", "fsync",
    "fallocate", "flock",
  ]) func indexing(_ call: String) throws {
    let place = try Workplace()
    let plain = try output(of: "index", place.store + "-plain", place.tree, "--json")
    let result = try interrupted(call, ["index", place.store, place.tree, "--json"])
    #expect(result.status == 0, "\(result.errors)")
    #expect(try counts(result.output) == counts(plain))
    try output(of: "check", place.store)
  }

  @Test(arguments: [
    "open_by_handle_at", "statx", "openat2",
  ]) func decoding(_ call: String) throws {
    let place = try Workplace.indexed()
    try output(of: "export", "add", place.store, "e", place.tree)
    let token = try output(of: "token", place.store, "e", "file")
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let result = try interrupted(call, ["decode", place.store, "e", token])
    #expect(result.status == 0, "\(result.errors)")
  }

  /// Runs the command under `strace`; at least one call must have been interrupted.
  private func interrupted(_ call: String, _ arguments: [String]) throws -> CommandResult {
    let directory = try TemporaryDirectory()
    let trace = directory.path.appending("trace").string
    let result = try run(
      ["strace", "-f", "-o", trace, "-e", "trace=\(call)"]
        + ["-e", "inject=\(call):error=EINTR:when=1+2", Commands.handlestore] + arguments)
    let lines = try String(contentsOfFile: trace, encoding: .utf8)
    #expect(lines.contains("(INJECTED)"), "\(call) was never interrupted")
    return result
  }

  /// The counts, without the times.
  private func counts(_ json: String) throws -> [String: Int] {
    let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
    return ["created", "existing", "directories", "refused"].reduce(into: [:]) {
      $0[$1] = (object?[$1] as? NSNumber)?.intValue
    }
  }
}
