import Foundation
import HandleStore
import Glibc
import SystemPackage
import TestSupport
import Testing

/// What uses the mount while its server is killed again and again notices nothing.
@Suite(.serialized) struct KillTests {
  /// Loads of the program `mountload`.
  static let loads = [
    "names", "exchange", "churn", "append", "unlinked", "locks", "mapped", "listing",
  ]

  /// Everything that uses one mount at the same time.
  struct Load {
    let mounted: Mounted
    let outside: TemporaryDirectory
    private let prefix: String
    private var children: [(name: String, child: Child)] = []
    private var stop: FilePath { outside.appending("stop") }

    /// - Parameter prefix: begins the names of the directories, for another load on the same files.
    init(on mounted: Mounted, _ names: [String], prefix: String = "") throws {
      self.mounted = mounted
      self.prefix = prefix
      outside = try TemporaryDirectory()
      for name in names { try start(name) }
    }

    private mutating func start(_ name: String) throws {
      for directory in [mounted.source.appending(prefix + name), outside.appending(name)] {
        try FileManager.default.createDirectory(
          atPath: directory.string, withIntermediateDirectories: false)
      }
      let place = mounted.mountpoint.appending(prefix + name).string
      let errors = outside.appending("\(name).errors").string
      let command: [String]
      if let script = KillScripts.all[name] {
        command = [
          "env", "stop=\(stop)", "outside=\(outside.appending(name))", "sh", "-ec",
          "exec 2>\(errors); cd \(place); \(script)",
        ]
      } else {
        command = [
          "sh", "-c", #"exec "$@" 2>"$0""#, errors, product("mountload"), name, place, stop.string,
        ]
      }
      children.append((name, try Child(command)))
    }

    /// Those that have ended before they were told.
    var ended: [String] {
      children.filter { $0.child.wait(seconds: 0) != nil }.map { report($0.name, $0.child) }
    }

    /// Tells them to stop, and what each of them has found.
    func finish() throws -> [String] {
      try write("", to: stop)
      return children.compactMap { name, child in
        guard let status = child.wait(seconds: 60) else { return "\(name) hangs" }
        guard status == 0 else { return report(name, child) }
        // The loads say how often they went around, the scripts each time.
        let said = child.rest().split(whereSeparator: \.isWhitespace)
        let rounds = said.first.flatMap { Int($0) } ?? said.count
        return rounds > 0 ? nil : "\(name) did nothing: \(said)"
      }
    }

    private func report(_ name: String, _ child: Child) -> String {
      let errors = (try? read(outside.appending("\(name).errors"))) ?? ""
      return "\(name) ended with \(child.wait()): \(errors.suffix(1000))"
    }
  }

  struct Campaign: Sendable, CustomTestStringConvertible {
    let kind: VolumeKind
    var options: [String] = []
    var loads = KillTests.loads + KillScripts.projects.keys.sorted()
    let kills: Int
    /// Between a server's beginning and its end, in microseconds.
    var pauses: Range<useconds_t> = 20_000..<200_000
    var testDescription: String { "\(kind) \(options.joined(separator: " "))" }
  }

  static let campaigns = [
    Campaign(kind: .ext4, kills: 70), Campaign(kind: .xfs, kills: 20),
    Campaign(kind: .btrfs, kills: 20),
    Campaign(kind: .ext4, loads: KillScripts.tools.keys.sorted(), kills: 50),
    Campaign(kind: .xfs, loads: KillScripts.tools.keys.sorted(), kills: 15),
    Campaign(
      kind: .ext4, options: ["--passthrough", "off"], loads: ["large", "append", "unlinked"],
      kills: 60, pauses: 5_000..<150_000),
    Campaign(kind: .ext4, options: ["--handles", "never"], kills: 15),
    Campaign(kind: .plainOverlay, kills: 10),
    // Two names of a file are two files on bindfs, until its kernel asks again. If a program sets only the
    // time of modification, as tar does, bindfs 1.14 sets the present time.
    Campaign(
      kind: .fuse, loads: ["append", "unlinked", "large", "sqlite3", "sort", "zip"], kills: 10),
  ]

  @Test(.mountsHandleFS, arguments: campaigns) func nothingNotices(_ campaign: Campaign) throws {
    let seed = seed(usually: 9)
    var random = SeededGenerator(seed: seed)
    let mounted = try Mounted(campaign.kind, campaign.options, megabytes: 768)
    let load = try Load(on: mounted, campaign.loads)
    for _ in 1...campaign.kills * soak {
      usleep(.random(in: campaign.pauses, using: &random))
      let server = try mounted.killServer()
      try #require(load.ended.isEmpty, "seed \(seed): \(load.ended)\n\(mounted.log.suffix(2000))")
      try mounted.waitForNewServer(after: server)
    }
    let failures = try load.finish()
    #expect(failures.isEmpty, "seed \(seed): \(failures.joined(separator: "\n"))")
    try mounted.expectHealth()
  }

  /// What was read but not answered is answered by the next server, of the same program or another.
  @Test(.mountsHandleFS) func restartsUnderLoad() throws {
    let mounted = try Mounted(.ext4, megabytes: 768)
    let load = try Load(on: mounted, Self.loads)
    for _ in 1...10 {
      usleep(100_000)
      let server = mounted.serverID
      let answer = try mounted.run(
        [try #require(Mounted.program), "restart", mounted.mountpoint.string], seconds: 20)
      #expect(answer.status == 0, "\(answer.errors)")
      #expect(mounted.serverID != server)
      try #require(load.ended.isEmpty, "\(load.ended)\n\(mounted.log.suffix(2000))")
    }
    let failures = try load.finish()
    #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
    try mounted.expectHealth()
  }

  /// The supervisor is killed, and the server, in turns.
  @Test(.mountsHandleFS) func supervisorsAreReplaced() throws {
    let mounted = try Mounted(.ext4, megabytes: 768)
    let load = try Load(on: mounted, Self.loads)
    let file = try mounted.hold("kept", creating: "before")
    try unlink(mounted.source.appending("kept"))
    for _ in 1...5 {
      let supervisor = try mounted.killSupervisor()
      _ = try mounted.waitForNewSupervisor(after: supervisor)
      usleep(100_000)
      let server = try mounted.killServer()
      try mounted.waitForNewServer(after: server)
      usleep(100_000)
      try #require(load.ended.isEmpty, "\(load.ended)\n\(mounted.log.suffix(2000))")
    }
    let failures = try load.finish()
    #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
    #expect(file.ask("read") == "has before")
    file.kill()
    let last = try #require(mounted.supervisorID)
    kill(last, SIGTERM)
    #expect(eventually(seconds: 10) { mounted.supervisorID == nil && !mounted.isMounted })
    try mounted.expectHealth()
  }
}

extension Mounted {
  /// The store is whole.
  func expectHealth(_ location: SourceLocation = #_sourceLocation) throws {
    try unmountIfMounted()
    let check = try TestSupport.run(Commands.handlestore, "check", store.string)
    #expect(check.status == 0, "\(check.output)\(check.errors)", sourceLocation: location)
    let findings = try Store.check(at: store).findings
    #expect(findings.isEmpty, "\(findings)", sourceLocation: location)
  }
}
