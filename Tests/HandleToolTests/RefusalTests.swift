import CHandleStore
import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// What is wrong before a command can begin: usage, the store, the system.
struct RefusalTests {
  @Test(arguments: [
    ["index"], ["open", "s"], ["open", "s", "x"], ["open", "s", "-1"], ["nonsense"],
    ["dump", "s", "--format", "xml"], ["dump", "s", "--state", "dead"], ["dump", "s", "t"],
    ["dump", "s", "--filesystem", "65536"], ["dump", ""], ["index", "s", "d", "--durability", "x"],
    ["prune", "s"], ["prune", "s", "--older-than", "7d", "--keep", "1"],
    ["prune", "s", "--older-than", "7"], ["prune", "s", "--older-than", "d"],
    ["prune", "s", "--older-than", "7y"], ["prune", "s", "--older-than", "99999w"],
    ["prune", "s", "--keep", "-1"], ["check", "s", "--findings", "0"], ["probe"], ["backup", "s"],
    ["verify", "s", "--retired"], ["export", "add", "s", "n"], ["export", "nonsense"],
    ["export", "add", "s", "n", "d", "--id", "0"], ["export", "add", "s", "n", "d", "--id", "+1"],
    ["export", "add", "s", "n", "d", "--id", "100000000"], ["export", "list"],
    ["export", "remove", "s"],
    ["export", "add", "s", "n", "d", "--containment", "none"], ["token", "s", "e"],
    ["token", "s", "e", "p", "--node", "1"], ["token", "s", "e", "--node", "x"],
    ["token", "s", "e", "p", "--limit", "0"], ["token", "s", "e", "p", "--limit", "129"],
    ["token", "s", "e", "p", "--limit", "64", "--reference"], ["decode", "s", "e"],
    ["decode", "s", "e", "xy"], ["key", "list"], ["key", "rotate", "s", "--keep", "-1"],
    ["key", "rotate", "s", "--keep", "256"], ["key", "share", "s"],
  ]) func wrongUsage(_ arguments: [String]) throws {
    let result = try run([Commands.handlestore] + arguments)
    #expect(result.status == 2)
    #expect(result.output == "")
    #expect(result.errors.hasPrefix("handlestore: "))
    #expect(result.errors.contains("Usage: ") || result.errors.contains("--help"))
  }

  @Test(arguments: [
    (["frobnicate", "s"], "unknown command 'frobnicate'"),
    (["export", "frobnicate"], "unknown command 'frobnicate'; see handlestore export --help"),
    (["open", "s", "-5"], "'-5' is neither a node id nor a count; both are 0 or more"),
  ]) func wrongUsageIsExplained(_ arguments: [String], _ message: String) throws {
    let result = try run([Commands.handlestore] + arguments)
    #expect(result.errors.hasPrefix("handlestore: \(message)\n"), "\(result.errors)")
  }

  @Test func theVersion() throws {
    for command in [Commands.handlestore, Commands.handlebench] {
      let name = FilePath(command).lastComponent?.string ?? ""
      #expect(try succeed(command, "--version") == "\(name) \(HS_VERSION)\n")
    }
  }

  @Test func nothingAskedIsAskedForHelp() throws {
    #expect(try succeed(Commands.handlestore).contains("USAGE: handlestore"))
  }

  @Test(arguments: [
    "index", "open", "dump", "stat", "verify", "prune", "check", "repair", "backup", "probe",
    "export", "export add", "export list", "export remove", "token", "decode", "key", "key list",
    "key rotate", "key share",
  ]) func helpTeaches(_ command: String) throws {
    let words = command.split(separator: " ").map { String($0) }
    let help = try succeed([Commands.handlestore] + words + ["--help"])
    #expect(help.contains("OVERVIEW: "))
    #expect(help.contains("  handlestore \(command) "))
    #expect(help.contains("Exit codes: 0 "))
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func completions(_ shell: String) throws {
    #expect(try output(of: "--generate-completion-script", shell).contains("handlestore"))
  }

  /// Each command that needs a store, with what else it takes.
  static let commands = [
    ["open", "S", "2"], ["dump", "S"], ["stat", "S"], ["verify", "S"], ["verify", "S", "--retire"],
    ["prune", "S", "--keep", "0"], ["check", "S"], ["repair", "S"], ["backup", "S", "S-copy"],
    ["export", "list", "S"], ["export", "remove", "S", "e"], ["token", "S", "e", "p"],
    ["token", "S", "e", "--node", "1"], ["decode", "S", "e", "00"], ["key", "list", "S"],
    ["key", "rotate", "S"], ["key", "share", "S", "S"],
  ]

  private func refused(_ command: [String], on store: String) throws -> CommandResult {
    try run(
      [Commands.handlestore] + command.map { $0.replacingOccurrences(of: "S", with: store) })
  }

  @Test(arguments: commands) func noStore(_ command: [String]) throws {
    let directory = try TemporaryDirectory()
    let store = directory.appending("none").string
    let result = try refused(command, on: store)
    #expect(result.status == 3)
    #expect(result.errors.contains("handlestore: there is no store at \(store)"))
    #expect(!FileManager.default.fileExists(atPath: store))
  }

  // To `check` and `repair` it is a store of which the file `state` is damaged.
  @Test(
    arguments: commands.filter { !["check", "repair"].contains($0[0]) } + [["index", "S", "/etc"]])
  func notAStore(_ command: [String]) throws {
    let directory = try TemporaryDirectory()
    try write("this is something else\n", to: directory.appending("state"))
    let result = try refused(command, on: directory.path.string)
    #expect(result.status == 3)
    #expect(result.errors.contains("is not a handle store"))
    #expect(try read(directory.appending("state")) == "this is something else\n")
  }

  @Test(arguments: commands + [["index", "S", "/etc"]])
  func aVersionFromTheFuture(_ command: [String]) throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    try Store(at: path).close()
    let state = path.appending("state")
    try write(
      "handlestore 9\n" + read(state).split(separator: "\n").dropFirst().joined(), to: state)
    let result = try refused(command, on: path.string)
    #expect(result.status == 3)
    #expect(result.errors.contains("format version 9"))
    #expect(result.errors.contains("use the release that wrote it"))
  }

  @Test(arguments: [
    ["index", "S", "/etc"], ["prune", "S", "--keep", "0"], ["verify", "S", "--retire"],
    ["repair", "S"], ["export", "add", "S", "e", "/etc"], ["export", "remove", "S", "e"],
    ["token", "S", "e", "p"],
  ]) func aStoreInUse(_ command: [String]) throws {
    let directory = try TemporaryDirectory()
    let store = try Store(at: directory.appending("store"))
    let result = try refused(command, on: store.path.string)
    #expect(result.status == 3)
    #expect(result.errors.contains("is open for writing by process \(getpid())"))
    try store.close()
  }

  @Test func theStoreItselfIsNotWalked() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    try Store(at: path).close()
    let result = try handlestore("index", path.string, path.string)
    #expect(result.status == 2)
    #expect(result.errors.contains("DIR is the directory of the store itself"))
  }

  @Test(arguments: ["state", "data.mdb", "writer"]) func aFifoInPlaceOfAFile(_ name: String) throws
  {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    try Store(at: path).close()
    try unlink(path.appending(name))
    try succeed("mkfifo", path.appending(name).string)
    for command in Self.commands where command[0] != "repair" {
      let result = try run(
        ["timeout", "20", Commands.handlestore]
          + command.map { $0.replacingOccurrences(of: "S", with: path.string) })
      #expect(result.status <= 4, "\(command)")
    }
  }

  @Test func aLimitOnTheSizeOfFiles() throws {
    let place = try Workplace()
    let command = [Commands.handlestore, "index", place.store, "/usr/include"]
    let result = try run(["sh", "-c", #"ulimit -f 200; "$@""#, "sh"] + command)
    #expect(result.status == 4)
    #expect(result.errors.contains("RLIMIT_FSIZE"))
  }

  @Test func anotherDirectoryIsLeftAlone() throws {
    let directory = try TemporaryDirectory()
    try write("precious", to: directory.appending("file"))
    let result = try handlestore("index", directory.path.string, "/etc")
    #expect(result.status == 3)
    #expect(result.errors.contains("is not empty"))
    let left = try FileManager.default.contentsOfDirectory(atPath: directory.path.string)
    #expect(left == ["file"])
  }

  @Test(arguments: [
    ("/no/such/directory", "No such file or directory; name a directory that exists"),
    ("/etc/passwd", "Not a directory; name a directory"),
  ]) func noDirectory(_ path: String, _ message: String) throws {
    let directory = try TemporaryDirectory()
    let store = directory.appending("store").string
    for command in [["index", store, path], ["probe", path]] {
      let result = try run([Commands.handlestore] + command)
      #expect(result.status == 4)
      #expect(result.errors.contains("handlestore: opening \(path): \(message)"))
    }
    #expect(!FileManager.default.fileExists(atPath: store))
  }

  @Test func aFilesystemWithoutHandles() throws {
    let directory = try TemporaryDirectory()
    let result = try handlestore("index", directory.appending("store").string, "/proc/self/fd")
    #expect(result.status == 4)
    #expect(result.errors.contains("has no file handles that can be opened"))
  }

  @Test(.opensHandles) func withoutThePrivilege() throws {
    let place = try Workplace.indexed()
    try output(of: "export", "add", place.store, "tree", place.tree)
    try succeed("chmod", "-R", "a+rwX", place.directory.path.string)
    try succeed("chmod", "0600", FilePath(place.store).appending("keys").string)
    let new = place.path("new").string
    for command in [
      ["open", place.store, "2"], ["verify", place.store], ["probe", place.tree],
      ["index", new, place.tree], ["export", "add", new, "tree", place.tree],
      ["export", "add", place.store, "more", place.tree], ["token", place.store, "tree", "file"],
      ["token", place.store, "tree", "--node", "1"],
    ] {
      let result = try run(
        ["setpriv", "--bounding-set", "-dac_read_search", "--inh-caps", "-all"]
          + [Commands.handlestore] + command)
      #expect(result.status == 4)
      #expect(result.errors.contains("is not permitted; run as root, or with CAP_DAC_READ_SEARCH"))
    }
    #expect(!FileManager.default.fileExists(atPath: place.path("new").string))
  }
}
