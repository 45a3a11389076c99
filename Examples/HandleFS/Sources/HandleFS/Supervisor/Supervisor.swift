internal import ArgumentParser
internal import Glibc
internal import HandleStore
internal import Logging
internal import SystemPackage

/// Mounts the filesystem and keeps it served: starts the first server, holds what the next one
/// needs, and starts the next one when the last has ended. It never uses its own mount.
final class Supervisor {
  /// A server that is to replace the present one on request.
  private struct Replacement {
    /// The program of the new server.
    let program: Program
    /// The program of the present server.
    let former: Program
    /// The connection of the command that asked for the replacement.
    let asker: FileDescriptor
    /// When it must serve at the latest; `nil` until it is started.
    var deadline: Int?
  }

  /// How long a replacement may take to begin to serve, in milliseconds.
  private static let patience = 10_000

  private let options: MountOptions
  private let log: Logger
  private let inBackground: Bool
  private let signals: FileDescriptor
  private var session: SessionDescriptors
  private var sockets: Sockets
  /// `nil` until it is mounted.
  private var mount: SupervisedMount?
  private var program: Program
  private var server: RunningServer
  private var standby = Standby()
  private let parked = ParkedFiles()
  /// Sockets through which former servers parked files. If a server was a guest, its host goes on for a
  /// moment.
  private var formerParking: [FileDescriptor] = []
  private var backoff = Backoff()
  private var watchdog: Watchdog
  private var manager: ServiceManager
  private var replacement: Replacement?
  /// When to start the next server; `nil` if no start is due.
  private var startAt: Int?
  /// Whether the last server may have died of its store, so that the store must be checked before
  /// the next start.
  private var needsMending = false
  private var mender: Mender?
  /// Whether the watchdog has killed the present server.
  private var isUnresponsive = false
  private var isUnmounted = false

  /// Starts a server for a filesystem that is not mounted yet.
  init(_ options: MountOptions, inBackground: Bool) throws {
    self.options = options
    self.inBackground = inBackground
    manager = inBackground ? ServiceManager() : .ofNewService()
    watchdog = Watchdog(seconds: options.watchdog)
    log = Log.start(.supervisor, of: options, inBackground: inBackground)
    Processes.raiseDescriptorLimit()
    Processes.ignoreClosedPipes()
    signals = try Processes.signals()
    program = Program(Processes.program)
    let fuse = try SessionDescriptors.openFUSE()
    let source = try options.openSource()
    let store = try options.openStore()
    let sockets = try Sockets()
    do {
      var session = try SessionDescriptors(
        fuse: fuse, source: source, store: store, isShared: options.isShared,
        questions: sockets.listen(.server),
        orders: sockets.listen(.supervisor),
        hearsOfChanges: CacheTimes(given: options.cacheTimeout).wantsChanges)
      server = try RunningServer(program, options, in: &session, inBackground: inBackground)
      self.session = session
    } catch {
      sockets.removeOwn()
      throw error
    }
    self.sockets = sockets
  }

  /// Takes over a server whose supervisor was killed. This process has inherited the server's
  /// descriptors, with new sockets between the two.
  init(
    _ options: MountOptions, adopting id: Int32, inBackground: Bool, passthrough: Bool
  ) throws {
    self.options = options
    self.inBackground = inBackground
    manager = inBackground ? ServiceManager() : .inherited()
    watchdog = Watchdog(seconds: options.watchdog)
    log = Log.start(.supervisor, of: options, inBackground: inBackground)
    Processes.raiseDescriptorLimit()
    Processes.ignoreClosedPipes()
    signals = try Processes.signals()
    session = SessionDescriptors()
    for descriptor in session.all { Processes.closeInPrograms(descriptor) }
    let mount = try SupervisedMount(options, adoptedIn: session, passthrough: passthrough)
    self.mount = mount
    sockets = Sockets(device: mount.device)
    program = Program(Processes.program)
    server = try RunningServer(adopting: id, session)
    if server.process == nil { startAt = Processes.now }
    log.warning(
      "took over a server whose supervisor was killed", metadata: ["pid": .stringConvertible(id)])
  }

  /// Mounts the filesystem and watches over it until it is unmounted.
  ///
  /// - Parameter isServed: called once the filesystem is served.
  func run(_ isServed: () -> Void) throws {
    defer { leave() }
    try server.waitUntilPrepared(parked)
    let mount = try SupervisedMount(options, session)
    self.mount = mount
    do {
      MountHistory(in: session.history).recordMount()
      try sockets.publish(device: mount.device)
      server.tellMounted(mount.passthrough)
      guard server.receive() == .serving else { throw server.waitForFailure() }
      watchdog.begin()
      isServed()
      manager.tell("READY=1", servingStatus)
      try watch()
    } catch {
      try? Processes.unmount(options.mountpoint, detach: true)
      throw error
    }
  }

  private func leave() {
    standby.end()
    sockets.removeOwn()
    if !options.isShared { try? StoreSharing(session).leave() }
  }

  /// Watches over an adopted server until the filesystem is unmounted.
  func goOn() throws {
    defer { leave() }
    watchdog.begin()
    manager.tell("MAINPID=\(Processes.id)", servingStatus)
    try watch()
  }

  private func watch() throws {
    Thread.start { [session] in Processes.passNotices(session.noticesIn, to: session.fuse) }
    if startAt == nil { standby.schedule() }
    while !isUnmounted {
      let next = [
        startAt, replacement?.deadline, watchdog.next, manager.next, standby.startAt,
      ]
      .compactMap(\.self).min()
      let timeout = next.map { max(0, $0 - Processes.now) } ?? -1
      let ready = Processes.wait(
        for: [
          signals, server.process, server.parking, server.control, session.orders, mender?.process,
          standby.process,
        ] + formerParking,
        milliseconds: timeout)
      if ready[0] { try handle(signal: Processes.nextSignal(signals)) }
      if ready[2] { try takeParked() } else { try takeFormerParked() }
      if ready[3] { hear() }
      if ready[1] { try ended() }
      if ready[4] { takeOrder() }
      if ready[5] { mended() }
      if ready[6] { standby.end() }
      if let at = startAt, Processes.now >= at, !isUnmounted { try goOnAfterEnd() }
      if let at = replacement?.deadline, Processes.now >= at { server.kill() }
      if let at = standby.startAt, Processes.now >= at, !isUnmounted {
        standby.start(program, options, in: &session, inBackground: inBackground, log: log)
      }
      watchServer()
      showLife()
    }
    manager.tell("STOPPING=1", "STATUS=Unmounted")
    try mount?.requireUnmounted()
  }

  private var servingStatus: String { "STATUS=Serving, by process \(server.id)" }

  /// Shows the service manager a sign of life if one is due: once the server has answered, or at
  /// once if a process checks the store and no server can answer.
  private func showLife() {
    guard manager.isDue() else { return }
    if mender?.process != nil { manager.showLife() } else { server.ask() }
  }

  private func watchServer() {
    switch watchdog.step() {
    case .nothing: break
    case .ask: server.ask()
    case .kill:
      log.error(
        "the server does not answer and may be stopped: killing and replacing it (--watchdog 0 turns this off)",
        metadata: [
          "pid": .stringConvertible(server.id), "seconds": .stringConvertible(options.watchdog),
        ])
      isUnresponsive = true
      server.kill()
    }
  }

  private func handle(signal: Int32) throws {
    guard signal != SIGCHLD else { return }
    guard signal != SIGHUP else {
      return log.notice("SIGHUP ignored: there is nothing to reload; SIGTERM unmounts")
    }
    if try mount?.unmount(log) == true { manager.tell("STOPPING=1", "STATUS=Unmounting") }
  }

  private func takeParked() throws {
    try takeFormerParked()
    guard let socket = server.parking else { return }
    if try !parked.receive(from: socket) { server.closeParking() }
  }

  /// Takes what former servers have sent. It does not wait for the ends of the streams, because another
  /// process may still hold the sockets open.
  private func takeFormerParked() throws {
    for socket in formerParking {
      while Processes.wait(for: [socket], milliseconds: 0)[0] {
        guard try !parked.receive(from: socket) else { continue }
        formerParking.removeAll { $0 == socket }
        try socket.close()
        break
      }
    }
  }

  private func hear() {
    let message = server.receive()
    if watchdog.next != nil, message != nil { watchdog.hear() }
    if message != nil { manager.showLife() }
    switch message {
    case .serving:
      watchdog.begin()
      standby.schedule()
      log.info("serving", metadata: ["pid": .stringConvertible(server.id)])
      manager.tell("READY=1", servingStatus)
      // A deadline means that this server is the replacement that was asked for.
      if replacement?.deadline != nil {
        answerAsker("serving as process \(server.id), \(program.path)")
      }
    case .unmounted: isUnmounted = true
    default: break
    }
  }

  // MARK: The next server

  private func ended() throws {
    let id = server.id
    let end = server.reap()
    needsMending = end.isFailure && !options.isShared
    watchdog.end()
    MountHistory(in: session.history).recordRestart(reason(end))
    isUnresponsive = false
    let delay = delay(after: end)
    startAt = Processes.now + delay
    manager.tell("STATUS=The server has ended; the next one is about to start")
    // Requests wait, and the log need not be first.
    if delay == 0 && !isUnmounted { try goOnAfterEnd() }
    log.warning(
      "the server has ended",
      metadata: [
        "pid": .stringConvertible(id), "by": "\(end)", "next in ms": .stringConvertible(delay),
      ])
  }

  /// How many milliseconds to wait before the next start. A server that was not asked to end, but did so in
  /// the ordinary way, served other mounts too, one of which was unmounted. That may happen often.
  private func delay(after end: Processes.End) -> Int {
    guard replacement == nil else { return 0 }
    let delay = backoff.delay(lifetime: Processes.now - server.started)
    if case .exit(0) = end { return min(delay, Self.longestDelayAfterExit) }
    return delay
  }

  private static let longestDelayAfterExit = 20

  private func reason(_ end: Processes.End) -> MountHistory.Reason {
    if isUnresponsive { return .unresponsive }
    if end.isFailure { return .failed }
    switch end {
    case .exit: return .requested
    case .signal: return .killed
    case .unknown: return .unknown
    }
  }

  /// Starts the next server. If the last one may have died of the store, has the store checked
  /// first.
  private func goOnAfterEnd() throws {
    guard needsMending else { return try startNext() }
    startAt = nil
    needsMending = false
    do {
      mender = try Mender(session, options, inBackground)
      manager.tell("STATUS=The server has failed; checking the store")
    } catch {
      log.error("starting the check of the store failed", metadata: ["error": "\(error)"])
      startAt = Processes.now
    }
  }

  private func mended() {
    mender?.reap()
    startAt = Processes.now
  }

  private func startNext() throws {
    startAt = nil
    if let socket = server.takeParking() { formerParking.append(socket) }
    try takeFormerParked()
    if replacement?.deadline != nil {
      program = replacement?.former ?? program
      answerAsker("the new server ended before it served; one from the former binary takes over")
    } else if let replacement {
      program = replacement.program
      self.replacement?.deadline = Processes.now + Self.patience
    }
    do {
      server = try nextServer()
      mender = nil
      server.tellMounted(mount?.passthrough == true)
    } catch {
      log.error("starting a server failed", metadata: ["error": "\(error)"])
      startAt = Processes.now + 1000
    }
  }

  private func nextServer() throws -> RunningServer {
    guard mender == nil else {
      standby.end()
      return try RunningServer(
        program, options, in: &session, inBackground: inBackground, flags: ["--mended"])
    }
    if let server = standby.take(for: program) {
      // It may be stopped.
      watchdog.begin()
      return server
    }
    return try RunningServer(program, options, in: &session, inBackground: inBackground)
  }

  private func takeOrder() {
    guard let asker = try? Processes.accept(session.orders) else { return }
    let words = Conversation.line(from: asker).split(separator: " ", maxSplits: 1)
    guard words != ["options"] else { return tellOptions(to: asker) }
    guard words.count == 2, words[0] == "restart", replacement == nil else {
      let reason =
        replacement == nil ? "unknown request" : "another restart is in progress; try again later"
      try? asker.writeOnce(Array(reason.utf8))
      return (try? asker.close()) ?? ()
    }
    replacement = Replacement(
      program: Program(FilePath(String(words[1]))),
      former: Program(of: server.id, startedFrom: program.path), asker: asker)
    manager.tellReloading()
    server.stop()
  }

  /// Sends the options of the mount, as the arguments that this program takes.
  private func tellOptions(to asker: FileDescriptor) {
    let answer = try? JSONLine.text(of: options.arguments)
    try? asker.writeOnce(Array((answer ?? "").utf8))
    try? asker.close()
  }

  private func answerAsker(_ text: String) {
    guard let asker = replacement?.asker else { return }
    replacement = nil
    try? asker.writeOnce(Array(text.utf8))
    try? asker.close()
  }
}
