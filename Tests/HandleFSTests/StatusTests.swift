import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// `handlefs status`, for people and for monitoring systems.
@Suite struct StatusTests {
  @Test(.mountsHandleFS, .checksMetrics) func theCheckersFindNoFault() throws {
    let mounted = try Mounted(.ext4)
    let file = try mounted.hold("file", creating: "text")
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(file.ask("read") == "has text")
    let work = #"cd "$0" && mkdir d && touch d/a d/b && ls -lR && mv d/a c && rm c"#
    #expect(try mounted.run(["sh", "-c", work, mounted.mountpoint.string]).status == 0)
    let (older, newer) = (try mounted.status("prometheus"), try mounted.status("openmetrics"))
    #expect(try MetricsCheck.promtool(older) == ([], 0))
    let samples = try MetricsCheck.openMetrics(newer)
    #expect(Set(samples.map(\.type)) == ["counter", "gauge", "histogram"])
    #expect(Set(try MetricsCheck.prometheus(older).map(\.name)) == Set(samples.map(\.name)))
    #expect(samples.allSatisfy { $0.labels["mountpoint"] == mounted.mountpoint.string })
    // promtool does not know OpenMetrics: it misses the help of counters, and nothing else.
    let findings = try MetricsCheck.promtool(newer).findings
    #expect(findings.allSatisfy { $0.hasSuffix("_total no help text") }, "\(findings)")
    file.kill()
  }

  /// Each request is counted, under its operation, with its time.
  @Test(.mountsHandleFS, .checksMetrics) func requestsAreCounted() throws {
    let mounted = try Mounted(.ext4, ["--cache-timeout", "0"])
    try write("text", to: mounted.source.appending("file"))
    let file = mounted.mountpoint.appending("file").string
    func count() throws -> Double {
      try mounted.samples()
        .filter { ["getattr", "statx", "lookup"].contains($0.labels["operation"]) }
        .filter { $0.name == "handlefs_request_duration_seconds_count" }.map(\.value).reduce(0, +)
    }
    let before = try count()
    #expect(try mounted.run(["stat"] + Array(repeating: file, count: 200)).status == 0)
    #expect(try eventually(seconds: 5) { try count() >= before + 200 })
    let sum = try mounted.samples()
      .first {
        $0.name == "handlefs_request_duration_seconds_sum" && $0.labels["operation"] == "lookup"
      }
    #expect(sum.map { $0.value > 0 && $0.value < 60 } == true)
    let json = try mounted.status("json")
    let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
    let lookup = (object?["operations"] as? [String: [String: Double]])?["lookup"]
    #expect(lookup?["requests"] ?? 0 > 0 && lookup?["seconds"] ?? 0 > 0, "\(json)")
  }

  /// Why servers were replaced is counted for as long as the filesystem is mounted, also over a kill of
  /// the supervisor. What a server counts begins anew with it, and it says when.
  @Test(.mountsHandleFS, .checksMetrics) func whyServersWereReplaced() throws {
    let mounted = try Mounted(.ext4, ["--watchdog", "0.4"])
    func start() throws -> [Double] {
      try ["handlefs_mount_time_seconds", "handlefs_start_time_seconds"].map { name in
        try #require(try mounted.samples().first { $0.name == name }).value
      }
    }
    let now = Date().timeIntervalSince1970
    let began = try start()
    #expect(abs(began[0] - now) < 60 && began[1] >= began[0] && began[1] < began[0] + 60)

    try mounted.waitForNewServer(after: mounted.killServer())
    try mounted.waitForNewServer(after: mounted.killServer())
    let failed = try #require(mounted.serverID)
    kill(failed, SIGSEGV)
    try mounted.waitForNewServer(after: failed)
    try mounted.expectRestarts(["killed": 2, "failed": 1])
    let silent = try #require(mounted.serverID)
    try stop(silent)
    try mounted.waitForNewServer(after: silent)
    #expect(
      try mounted.run([try #require(Mounted.program), "restart", mounted.mountpoint.string]).status
        == 0)
    try mounted.expectRestarts(["killed": 2, "failed": 1, "unresponsive": 1, "requested": 1])

    _ = try mounted.waitForNewSupervisor(after: mounted.killSupervisor())
    try mounted.waitForNewServer(after: mounted.killServer())
    try mounted.expectRestarts(
      ["killed": 2, "failed": 1, "unresponsive": 1, "requested": 1, "unknown": 1])
    let later = try start()
    #expect(later[0] == began[0] && later[1] > began[1])
  }

  @Test(.mountsHandleFS) func textIsTheDefault() throws {
    let mounted = try Mounted(.ext4)
    let program = try #require(Mounted.program)
    let text = try mounted.run([program, "status", mounted.mountpoint.string]).output
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.first == "mount point           \(mounted.mountpoint)", "\(text)")
    #expect(lines.contains("restarts              none"))
    #expect(lines.contains { $0.hasPrefix("OPERATION") } && lines.last == "")
  }

  @Test(.mountsHandleFS, .checksMetrics) func mountPointsWithStrangeNames() throws {
    let mounted = try Mounted(.ext4)
    try mounted.unmount()
    let point = mounted.volume.path.appending("a \"b\"\\c\\nd\ne")
    try FileManager.default.createDirectory(
      atPath: point.string, withIntermediateDirectories: false)
    #expect(try mounted.mountInBackground(mountpoint: point).status == 0)
    defer { _ = umount2(point.string, Int32(MNT_DETACH)) }
    let samples = try mounted.samples(at: point)
    #expect(!samples.isEmpty && samples.allSatisfy { $0.labels["mountpoint"] == point.string })
    #expect(try MetricsCheck.promtool(mounted.status("prometheus", at: point)) == ([], 0))
    #expect(try mounted.run(["umount", point.string]).status == 0)
  }

  /// If the server is killed when it is about to answer, the next one answers: a part of an answer must
  /// not be published.
  @Test(.mountsHandleFS) func aKilledServerGivesNoPartOfAnAnswer() throws {
    let mounted = try Mounted(.ext4)
    let server = try #require(mounted.serverID)
    let tracer = try Child(
      ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write"]
        + ["-e", "inject=write:signal=SIGKILL:when=1", "-p", "\(server)"])
    let traced = FilePath("/proc/\(server)/status")
    #expect(try eventually(seconds: 10) { try !read(traced).contains("TracerPid:\t0\n") })
    #expect(try mounted.status("openmetrics").hasSuffix("\n# EOF\n"))
    #expect(mounted.serverID != server)
    tracer.kill()
  }

  @Test(.mountsHandleFS) func aFullDiskIsAnError() throws {
    let mounted = try Mounted(.ext4)
    let result = try mounted.run(
      ["sh", "-c", #"exec "$0" status "$1" >/dev/full"#, try #require(Mounted.program)]
        + [mounted.mountpoint.string])
    #expect(result.status != 0 && result.errors.contains("No space left on device"))
  }
}

extension Mounted {
  fileprivate func status(_ format: String, at point: FilePath? = nil) throws -> String {
    let result = try run(
      [Self.program ?? "", "status", (point ?? mountpoint).string, "--format", format], seconds: 20)
    #expect(result.status == 0, "\(result.errors)")
    return result.output
  }

  fileprivate func samples(at point: FilePath? = nil) throws -> [MetricsCheck.Sample] {
    try MetricsCheck.openMetrics(status("openmetrics", at: point))
  }

  fileprivate func expectRestarts(
    _ expected: [String: Double], _ location: SourceLocation = #_sourceLocation
  ) throws {
    let counts = try samples().filter { $0.name == "handlefs_restarts_total" && $0.value > 0 }
      .map { ($0.labels["reason"] ?? "", $0.value) }
    #expect(Dictionary(uniqueKeysWithValues: counts) == expected, sourceLocation: location)
  }
}
