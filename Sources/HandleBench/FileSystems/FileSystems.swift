import ArgumentParser
import Formatting
import Foundation
import SystemPackage

/// `handlebench fs`.
struct FileSystems: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fs",
    abstract: "Compares HandleFS with the bare filesystem and with other passthrough servers.",
    discussion: """
      The contenders take turns at the same work, in new directories below DIR. A turn is a mount \
      and some seconds of work, and each round begins with another contender. One client, and then \
      four at once, create, stat, read, list, rename and unlink small files, and write and read a \
      big file. A client is a thread with a directory and a table of descriptors of its own. Then \
      git status runs on a repository, and make on a C program. For rows named cold, the kernel's \
      caches are dropped (/proc/sys/vm/drop_caches); this slows down the whole machine. A client \
      then walks through five times as many files on each server, and the server's memory and \
      descriptors are noted. At the end the server of HandleFS is killed many times, and the time \
      until the next reply is measured. Everything that was created is removed. Needs root.

        handlebench fs /srv
        handlebench fs /srv --handlefs-options "--cache-timeout 60" --json result.json
        handlebench fs /srv --peer 'mine=my-server --foreground {source} {mountpoint}'

      These servers take part with their default options: bindfs, mergerfs and passthrough_hp if \
      they are in PATH, and passthrough_ll, which is built from the source that comes with Debian's \
      libfuse3-dev; ll-always is the same with -o cache=always. passthrough_hp comes \
      only with the source of libfuse. --peer names one that is elsewhere. Servers that hold a \
      descriptor for each file may open as many as the kernel allows. Each server has a session of \
      its own, as a daemon has.

      The first table has the operations a second (the median of the rounds, and half of what they \
      vary by); for commands the seconds. The second table has the ratio of HandleFS to the fastest \
      other server, which is named, the goal, and whether it is met; for rows without a goal, the \
      ratio to the bare filesystem. A ratio is the median of the rounds' ratios. For each server, the highest number of open \
      descriptors and the highest memory use follow. A server that fails ends nothing: its figure \
      is missing, and the reason is printed.
      """)

  @Argument(help: "A directory to work in, on a filesystem with file handles.")
  var directory: String

  @Option(help: "The HandleFS binary.")
  var handlefs = "handlefs"

  @Option(parsing: .unconditional, help: "More options of HandleFS, separated by blanks.")
  var handlefsOptions = ""

  @Option(
    help: ArgumentHelp(
      "Another server, as name=command. It must stay in the foreground.",
      valueName: "name=command"))
  var peer: [String] = []

  @Option(
    help: """
      How many small files to create. The repository has five times as many, and the big file and \
      the C program grow with it.
      """)
  var files = 10_000

  @Option(help: "How many times each contender does the work.")
  var rounds = 3

  @Option(help: "How many times to kill the server.")
  var kills = 100

  @Option(help: "A file to write the results to as JSON.")
  var json: String?

  func validate() throws {
    guard (1...1_000_000).contains(files), (1...1000).contains(rounds),
      (0...100_000).contains(kills)
    else {
      throw ValidationError(
        "--files must be 1 to 1000000, --rounds 1 to 1000, and --kills 0 to 100000")
    }
    let names = try ["bare", "handlefs"] + given().map(\.name)
    guard Set(names).count == names.count else {
      throw ValidationError("each --peer needs a name of its own, other than bare and handlefs")
    }
  }

  func run() throws {
    try requireAll()
    let interruption = Interruption()
    var result = BenchmarkResult(
      of: "fs",
      options: [
        "files": "\(files)", "rounds": "\(rounds)", "kills": "\(kills)",
        "handlefs-options": handlefsOptions,
      ], directory: directory)
    result.machine.software += try handleFSVersion()
    let place = try WorkingPlace(in: directory)
    defer { place.remove() }
    let peers = try Peers(given: given(), building: place.elsewhere)
    let options = handlefsOptions.split(separator: " ").map(String.init)
    let contenders = [.bare, .handleFS(handlefs, options)] + peers.contenders
    for contender in contenders {
      try interruption.check()
      try place.tryOut(contender)
    }
    let projects = try Projects(in: place.root, files: files)
    let competition = Competition(
      turns: Turn.all(files: files, projects), rounds: rounds, place: place,
      check: interruption.check)
    try competition.run(contenders, into: &result)
    result.missing = peers.missing + projects.missing
    try walk(on: contenders.dropFirst(), place, interruption.check, into: &result)
    if kills > 0 {
      result.restarts = try RestartTimes.measure(
        contenders[1], place, kills: kills, check: interruption.check)
    }
    try result.finish(json: json)
  }

  /// Checks what can be checked before any work begins.
  private func requireAll() throws {
    guard geteuid() == 0 else {
      throw BenchError(description: "mounting needs root; run handlebench fs as root")
    }
    try Text.requireDirectory(directory)
    if let json { try Text.requireWritable(json) }
  }

  /// Shows what servers hold. One that fails ends nothing.
  private func walk(
    on servers: some Sequence<Contender>, _ place: WorkingPlace, _ check: () throws -> Void,
    into result: inout BenchmarkResult
  ) throws {
    let walks = try Walks(in: place, files: 5 * files)
    for server in servers {
      do {
        result.walks = (result.walks ?? []) + [try walks.measure(server, check: check)]
      } catch {
        try check()
        guard server.isOther else { throw error }
        result.missing.append(Missing(name: "a walk on \(server.name)", reason: "\(error)"))
      }
    }
  }

  private func handleFSVersion() throws -> [Machine.Software] {
    let words = try output(of: handlefs, ["--version"]).split { $0.isWhitespace }
    return words.count < 2
      ? [] : [Machine.Software(name: "HandleFS", version: String(words[1]))]
  }

  /// Returns the servers that `--peer` names.
  private func given() throws -> [Contender] {
    try peer.map { peer in
      let parts = peer.split(separator: "=", maxSplits: 1).map(String.init)
      let words = parts.last?.split(separator: " ").map(String.init) ?? []
      guard parts.count == 2, let program = words.first else {
        throw ValidationError("--peer must be name=command, not '\(peer)'")
      }
      guard Contender.find(program) != nil else {
        throw ValidationError("--peer \(parts[0]): there is no program \(program) in PATH")
      }
      guard peer.contains("{mountpoint}") else {
        throw ValidationError("--peer \(parts[0]): the command must contain {mountpoint}")
      }
      return .other(parts[0], words)
    }
  }
}
