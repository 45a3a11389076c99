internal import Glibc
internal import HandleStore
internal import Logging
internal import SystemPackage

/// Mounts the file system and sees that a server serves it: starts the first one, keeps what the next
/// one needs, and starts that when the last one has ended. It never uses its own mount.
final class Supervisor {
  private let options: MountOptions
  private let log: Logger
  private var session: SessionDescriptors
  private let signals: FileDescriptor
  private var server: RunningServer
  private var parked = ParkedFiles()
  private var backoff = Backoff()
  private var passthrough = false
  private var startAt: Int?

  init(_ options: MountOptions, log: Logger) throws {
    self.options = options
    self.log = log
    Processes.raiseDescriptorLimit()
    signals = try Processes.signals()
    session = try SessionDescriptors(fuse: FileDescriptor.open(FilePath("/dev/fuse"), .readWrite))
    server = try RunningServer(options, &session)
  }

  func run() throws {
    try server.waitUntilPrepared()
    try Processes.mount(
      options.source, on: options.mountpoint, fuse: session.fuse, readOnly: options.readOnly)
    do {
      try answerStart()
      server.tellMounted(passthrough)
      try watch()
    } catch {
      try? Processes.unmount(options.mountpoint, detach: true)
      throw error
    }
  }

  private func answerStart() throws {
    let request = try session.fuse.readOnce(1 << 16)
    passthrough = try Processes.answerStart(
      request, on: session.fuse, passthrough: options.passthrough != .off)
    try session.start.writeOnce(request)
  }

  private func watch() throws {
    while true {
      let timeout = startAt.map { max(0, $0 - Processes.now) } ?? -1
      let ready = Processes.wait(
        for: [signals, server.process, server.parking, server.control], milliseconds: timeout)
      if ready[0] { try handle(signal: Processes.nextSignal(signals)) }
      if ready[2] { try takeParked() }
      if ready[3], try !hear() { return }
      if ready[1] { ended() }
      if let at = startAt, Processes.now >= at { try startNext() }
    }
  }

  private func handle(signal: Int32) throws {
    guard signal == SIGTERM || signal == SIGINT || signal == SIGHUP else { return }
    do throws(Errno) {
      try Processes.unmount(options.mountpoint, detach: false)
    } catch {
      log.notice("in use, and unmounted from its place; it ends with its last user")
      try Processes.unmount(options.mountpoint, detach: true)
    }
  }

  private func takeParked() throws {
    guard let socket = server.parking else { return }
    if try !parked.receive(from: socket) { server.closeParking() }
  }

  /// Hears what the server says; whether the file system is still there.
  private func hear() throws -> Bool {
    switch server.receive() {
    case .serving: log.info("serving", metadata: ["pid": "\(server.id)"])
    case .unmounted: return false
    default: break
    }
    return true
  }

  private func ended() {
    server.reap()
    let delay = backoff.delay(lifetime: Processes.now - server.started)
    log.warning(
      "the server has ended", metadata: ["pid": "\(server.id)", "next in ms": "\(delay)"])
    startAt = Processes.now + delay
  }

  private func startNext() throws {
    startAt = nil
    while server.parking != nil { try takeParked() }
    server = try RunningServer(options, &session)
    server.tellMounted(passthrough)
  }
}
