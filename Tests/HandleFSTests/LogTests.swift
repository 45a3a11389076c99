import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// `--log-format json`: each line is an object.
@Suite struct LogTests {
  @Test(.mountsHandleFS) func eachLineIsAnObject() throws {
    // With this a crash prints a backtrace, unless the program prevents it. A program that brings its
    // own runtime would warn, before it begins, that it finds no program that prints one.
    setenv("SWIFT_BACKTRACE", "enable=yes,warnings=suppressed", 1)
    defer { setenv("SWIFT_BACKTRACE", "enable=no", 1) }
    let mounted = try Mounted(.ext4, ["--log-format", "json", "--watchdog", "0.4"])
    let began = Date()
    let killed = try mounted.killServer()
    try mounted.waitForNewServer(after: killed)
    kill(try #require(mounted.supervisorID), SIGHUP)
    let crashed = try #require(mounted.serverID)
    kill(crashed, SIGABRT)
    try mounted.waitForNewServer(after: crashed)
    // The watchdog watches a server that has begun to serve, and answers.
    #expect(try mounted.status()["pid"] == mounted.serverID.map(Int.init))
    let silent = try #require(mounted.serverID)
    try stop(silent)
    try mounted.waitForNewServer(after: silent)
    _ = try mounted.waitForNewSupervisor(after: mounted.killSupervisor())
    try mounted.waitForNewServer(after: mounted.killServer())
    try mounted.unmount()

    let lines = try mounted.logLines()
    #expect(Set(lines.map(\.level)).isSuperset(of: ["info", "notice", "warning", "error"]))
    #expect(lines.allSatisfy { $0.mountpoint == mounted.mountpoint.string })
    #expect(lines.allSatisfy { abs($0.date.timeIntervalSince(began)) < 60 })
    let ended = try #require(lines.first { $0.message == "the server has ended" })
    #expect(ended.process == "supervisor" && ended.level == "warning")
    #expect(ended.members["pid"] as? Int == Int(killed))
    #expect(ended.members["next_in_ms"] as? Int == 0)
    #expect(ended.members["by"] as? String == "signal(9)")
    #expect(lines.contains { $0.message.contains("took over a server") })
  }

  /// What ends the command, the supervisor or the server is a line too.
  @Test(.mountsHandleFS, arguments: [[], ["--foreground"]])
  func errorsAreLines(_ options: [String]) throws {
    let mounted = try Mounted(.ext4)
    try mounted.unmount()
    let json = options + ["--log-format", "json"]
    let nowhere = try mounted.mountInBackground(json, store: "/nowhere/store")
    #expect(nowhere.status != 0)
    #expect(try LogLine.lines(nowhere.errors).map(\.level) == ["critical"])
    // The server cannot use the store.
    try write("rubbish", to: mounted.store.appending("state"))
    let damaged = try mounted.mountInBackground(json)
    #expect(damaged.status != 0)
    let lines = try LogLine.lines(damaged.errors)
    #expect(lines.map(\.process) == ["server"] && lines[0].message.contains("state"))
    #expect(damaged.output == "")
    // There is no mount point.
    let gone = try mounted.mountInBackground(json, mountpoint: "/proc/self/nowhere")
    #expect(try gone.status != 0 && LogLine.lines(gone.errors).count == 1)
  }

  /// libfuse prints on standard error when a reply cannot be sent.
  @Test(.mountsHandleFS) func whatLibrariesPrintIsALine() throws {
    let mounted = try Mounted(
      .ext4, ["--log-format", "json", "--cache-timeout", "0", "--transport", "dev"])
    let server = try #require(mounted.serverID)
    let tracer = try Child(
      ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=writev"]
        + ["-e", "inject=writev:error=EINVAL:when=1", "-p", "\(server)"])
    let traced = FilePath("/proc/\(server)/status")
    #expect(try eventually(seconds: 10) { try !read(traced).contains("TracerPid:\t0\n") })
    let asker = try Child(["stat", "\(mounted.mountpoint)/none"])
    #expect(eventually(seconds: 10) { mounted.log.contains("writing device") })
    tracer.kill()
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(asker.wait(seconds: 10) == 1)
    let line = try #require(try mounted.logLines().first { $0.message.contains("writing device") })
    #expect(line.process == "server" && line.level == "error")
    #expect(line.message == "fuse: writing device: Invalid argument")
  }

  @Test(.mountsHandleFS) func textStaysAsItIs() throws {
    let mounted = try Mounted(.ext4, ["--log-format", "text"])
    let server = try mounted.killServer()
    try mounted.waitForNewServer(after: server)
    let ended =
      #/\S+ warning handlefs: by=signal\(9\) next in ms=0 pid=\d+ \[HandleFS\] the server has ended\n/#
    #expect(mounted.log.contains(ended), "\(mounted.log)")
  }
}

/// A line of the log.
private struct LogLine {
  let members: [String: Any]
  let date: Date

  init(_ text: Substring) throws {
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
    members = try #require(object as? [String: Any], "\(text)")
    let time = members["time"] as? String ?? ""
    #expect(time.wholeMatch(of: #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/#) != nil, "\(text)")
    let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    date = try style.parse(time)
    let levels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
    #expect(levels.contains(level) && !message.isEmpty, "\(text)")
  }

  var level: String { members["level"] as? String ?? "" }
  var message: String { members["message"] as? String ?? "" }
  var process: String { members["process"] as? String ?? "" }
  var mountpoint: String { members["mountpoint"] as? String ?? "" }

  static func lines(_ text: String) throws -> [LogLine] {
    try text.split(separator: "\n").map { try LogLine($0) }
  }
}

extension Mounted {
  fileprivate func logLines() throws -> [LogLine] { try LogLine.lines(log) }
}
