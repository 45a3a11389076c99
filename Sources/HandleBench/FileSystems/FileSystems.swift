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
      Mounts each contender in turn in a new directory below DIR and gives it the same work for \
      several rounds: creates empty files, fills, stats, reads, lists, renames and unlinks them, \
      and writes and reads one big file. Before files are stated, read and listed, the kernel's \
      caches are dropped (/proc/sys/vm/drop_caches), so that the server is asked; this slows down \
      the whole machine. Then the server of HandleFS is killed many times, and the time until the \
      next reply is measured. Everything that was created is removed at the end. Needs root.

        handlebench fs /srv --handlefs Examples/HandleFS/.build/release/handlefs
        handlebench fs /srv --peer 'mine=my-server --foreground {source} {mountpoint}'

      Debian's bindfs and mergerfs take part if they are installed. Columns: operations a second \
      (the median of the rounds); for HandleFS also the ratio to the bare filesystem and to the \
      fastest other server. For each server: the highest number of open descriptors and the \
      highest memory use.
      """)

  @Argument(help: "A directory to work in, on a filesystem with file handles.")
  var directory: String

  @Option(help: "The HandleFS binary.")
  var handlefs = "handlefs"

  @Option(
    help: ArgumentHelp(
      "Another server, as name=command. It must stay in the foreground.",
      valueName: "name=command"))
  var peer: [String] = []

  @Option(help: "How many files to create.")
  var files = 5000

  @Option(help: "How many times each contender does the work.")
  var rounds = 3

  @Option(help: "How many times to kill the server.")
  var kills = 100

  @Option(help: "A file to write the results to as JSON.")
  var json: String?

  func validate() throws {
    guard files >= 1, rounds >= 1, kills >= 0 else {
      throw ValidationError("--files and --rounds must be 1 or more, and --kills 0 or more")
    }
    guard peer.allSatisfy({ $0.split(separator: "=", maxSplits: 1).count == 2 }) else {
      throw ValidationError("--peer must be name=command")
    }
  }

  func run() throws {
    let place = try WorkingPlace(in: directory)
    defer { place.remove() }
    let contenders = contenders()
    var results = contenders.map { FileSystemResult(name: $0.name) }
    for _ in 0..<rounds {
      for (i, contender) in contenders.enumerated() {
        results[i].add(try round(of: contender, place))
      }
    }
    let restarts = try kills == 0 ? [] : RestartTimes.measure(contenders[1], place, kills: kills)
    let report = FileSystemReport(results: results, restarts: restarts)
    report.print()
    if let json { try Text.write(report.json, to: FilePath(json)) }
  }

  /// Returns the bare filesystem, HandleFS, the installed servers and those given by `--peer`.
  private func contenders() -> [Contender] {
    let known = [
      "bindfs": "bindfs -f {source} {mountpoint}",
      "mergerfs": "mergerfs -f -o minfreespace=0 {source} {mountpoint}",
    ]
    let installed = known.filter { Contender.find($0.key) != nil }.sorted { $0.key < $1.key }
    let given = peer.map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
    return [.bare, .handleFS(handlefs)] + installed.map { .other($0.key, $0.value) }
      + given.map { .other($0[0], $0[1]) }
  }

  private func round(of contender: Contender, _ place: WorkingPlace) throws -> Round {
    try place.withMount(contender) { mounted in
      var round = Round()
      for workload in FileSystemWorkload.all {
        if workload.isCold { WorkingPlace.dropCaches() }
        round.rates.append(try workload.run(in: mounted.path, files: files, contender.name))
        round.use(mounted.usage())
      }
      return round
    }
  }
}
