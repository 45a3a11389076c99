import Foundation
import Glibc
import TestSupport
import Testing

/// What a service manager is told (`sd_notify(3)`), by a real socket.
@Suite struct ServiceTests {
  @Test(.mountsHandleFS, arguments: [false, true])
  func tellsHowItIs(_ isAbstract: Bool) throws {
    let manager = try Manager(isAbstract: isAbstract)
    let mounted = try Mounted(.ext4, by: ["NOTIFY_SOCKET=\(manager.name)"])
    let ready = try #require(manager.next("READY=1"))
    #expect(ready.contains("STATUS=Serving, by process \(mounted.serverID ?? 0)"))
    let program = try #require(Mounted.program)
    let before = Self.now
    #expect(try mounted.run([program, "restart", mounted.mountpoint.string]).status == 0)
    let reloading = try #require(manager.next("RELOADING=1"))
    let time = reloading.first { $0.hasPrefix("MONOTONIC_USEC=") }.flatMap {
      Int($0.dropFirst("MONOTONIC_USEC=".count))
    }
    #expect(before...Self.now ~= time ?? 0)
    #expect(manager.next("READY=1") != nil)
    // The next supervisor takes the place of the main process.
    let supervisor = try mounted.waitForNewSupervisor(after: mounted.killSupervisor())
    #expect(manager.next("MAINPID=\(supervisor)") != nil)
    try mounted.killServer()
    #expect(manager.next("READY=1") != nil)
    try mounted.unmount()
    #expect(manager.next("STOPPING=1") != nil)
  }

  private static var now: Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
  }

  /// Nothing is said before the filesystem is served.
  @Test(.mountsHandleFS) func isNotReadyIfItDoesNotMount() throws {
    let manager = try Manager(isAbstract: false)
    let mounted = try Mounted(.ext4)
    try mounted.unmount()
    try write("no store", to: mounted.store.appending("data.mdb"))
    let result = try mounted.mountInBackground(
      ["--foreground"], by: ["env", "NOTIFY_SOCKET=\(manager.name)"])
    #expect(result.status == 3)
    #expect(manager.next("", seconds: 0.2) == nil)
  }

  /// Signs of life come from the server, as often as the manager asks for them, and none from one that is
  /// stopped.
  @Test(.mountsHandleFS) func livesAsLongAsTheServerAnswers() throws {
    let manager = try Manager(isAbstract: false)
    let mounted = try Mounted(
      .ext4, ["--watchdog", "0"], by: ["NOTIFY_SOCKET=\(manager.name)", "WATCHDOG_USEC=1000000"])
    for _ in 0..<5 { #expect(manager.next("WATCHDOG=1") != nil) }
    let server = try #require(mounted.serverID)
    try stop(server)
    // An answer may be on its way.
    #expect((0..<3).contains { _ in manager.next("WATCHDOG=1", seconds: 1.5) == nil })
    kill(server, SIGCONT)
    #expect(manager.next("WATCHDOG=1") != nil)
    // The next supervisor shows them too, and so does the next server.
    _ = try mounted.waitForNewSupervisor(after: mounted.killSupervisor())
    #expect(manager.next("MAINPID") != nil)
    for _ in 0..<2 { #expect(manager.next("WATCHDOG=1") != nil) }
    try mounted.killServer()
    for _ in 0..<2 { #expect(manager.next("WATCHDOG=1") != nil) }
  }

  /// A manager that gives an hour gets no sign of life in the time in which one that gives a second gets ten.
  @Test(.mountsHandleFS) func livesAsLongAsTheManagerGives() throws {
    let (patient, hasty) = (try Manager(isAbstract: false), try Manager(isAbstract: false))
    let one = try Mounted(
      .ext4, by: ["NOTIFY_SOCKET=\(patient.name)", "WATCHDOG_USEC=3600000000"])
    let other = try Mounted(.ext4, by: ["NOTIFY_SOCKET=\(hasty.name)", "WATCHDOG_USEC=1000000"])
    #expect(patient.next("WATCHDOG=1") != nil)
    for _ in 0..<10 { #expect(hasty.next("WATCHDOG=1") != nil) }
    #expect(patient.next("WATCHDOG=1", seconds: 0.2) == nil)
    for mounted in [one, other] { try mounted.unmount() }
  }

  /// A manager that asks another process for signs of life gets none from this one.
  @Test(.mountsHandleFS) func showsNoLifeForOthers() throws {
    let manager = try Manager(isAbstract: false)
    let mounted = try Mounted(
      .ext4,
      by: ["NOTIFY_SOCKET=\(manager.name)", "WATCHDOG_USEC=400000", "WATCHDOG_PID=1"])
    #expect(manager.next("READY=1") != nil)
    #expect(manager.next("WATCHDOG=1", seconds: 1) == nil)
    try mounted.unmount()
  }

  /// In the background it is nobody's service: the manager's process is the one that started it.
  @Test(.mountsHandleFS) func saysNothingInTheBackground() throws {
    let manager = try Manager(isAbstract: false)
    let mounted = try Mounted(.ext4)
    try mounted.unmount()
    let result = try mounted.mountInBackground(
      by: ["env", "NOTIFY_SOCKET=\(manager.name)", "WATCHDOG_USEC=200000"])
    #expect(result.status == 0)
    _ = try mounted.waitForNewSupervisor(after: mounted.killSupervisor())
    try mounted.waitForNewServer(after: mounted.killServer())
    try mounted.unmount()
    #expect(manager.next("", seconds: 0.2) == nil)
  }
}

/// The socket of a service manager.
private final class Manager {
  private let directory: TemporaryDirectory
  private let socket: Int32
  /// What NOTIFY_SOCKET says.
  let name: String

  init(isAbstract: Bool) throws {
    directory = try TemporaryDirectory()
    let path = directory.appending("notify").string
    name = isAbstract ? "@\(path)" : path
    socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { bytes in
      bytes.copyBytes(from: (isAbstract ? [0] : []) + Array(path.utf8))
    }
    let length = 2 + path.utf8.count + 1
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, socklen_t(length))
      }
    }
    try #require(result == 0)
  }

  /// Waits for a message with a line that begins so; returns its lines. Others are dropped.
  func next(_ prefix: String, seconds: Double = 10) -> [String]? {
    let end = ContinuousClock.now + .seconds(seconds)
    while case let left = ContinuousClock.now.duration(to: end), left > .zero {
      var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
      let milliseconds =
        left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
      guard poll(&waiting, 1, Int32(milliseconds) + 1) == 1 else { continue }
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = recv(socket, &bytes, bytes.count, 0)
      let lines = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        .split(separator: "\n").map(String.init)
      if lines.contains(where: { $0.hasPrefix(prefix) }) { return lines }
    }
    return nil
  }

  deinit { close(socket) }
}
