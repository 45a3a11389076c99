internal import HandleStore
internal import Logging
internal import Synchronization
internal import SystemPackage

/// The server's side of the connection to its supervisor: carries out the supervisor's messages,
/// and starts another supervisor if this one is killed.
final class Supervision: Sendable {
  private let options: MountOptions
  private let server: Server
  private let inBackground: Bool
  private let session: Mutex<SessionDescriptors>
  private let isUnmounted = Atomic(false)

  init(
    _ options: MountOptions, of session: SessionDescriptors, server: Server, inBackground: Bool
  ) {
    self.options = options
    self.server = server
    self.inBackground = inBackground
    self.session = Mutex(session)
  }

  /// Tells the supervisor that the filesystem is unmounted, so that it ends. From then on no new
  /// supervisor is started.
  func tellUnmounted() {
    isUnmounted.store(true, ordering: .sequentiallyConsistent)
    Processes.send(.unmounted, to: session.withLock { $0.control })
  }

  /// Handles the supervisor's messages for as long as the server runs.
  func listen() {
    var started = Int.min / 2
    while true {
      switch Processes.receive(from: session.withLock { $0.control }) {
      case .stop: Session.stop()
      case .isRunning: Processes.send(.runs, to: session.withLock { $0.control })
      case nil where isUnmounted.load(ordering: .sequentiallyConsistent): return
      case nil:
        // At most one start a second, in case each supervisor ends at once.
        if Processes.now - started < 1000 { Processes.sleep(milliseconds: 1000) }
        started = Processes.now
        do {
          try startSupervisor()
        } catch {
          server.log.error(
            "the supervisor is gone, and starting a new one failed: until one starts, a server that dies is not replaced",
            metadata: ["error": "\(error)"])
          Processes.sleep(milliseconds: 10_000)
        }
      default: break
      }
    }
  }

  private func startSupervisor() throws {
    let (control, parking) = (try Parking.makeSockets(), try Parking.makeSockets())
    var given = session.withLock { $0 }
    (given.control, given.parking) = (control.its, parking.its)
    let flags =
      (inBackground ? ["--background"] : [])
      + (server.options.passthrough ? ["--with-passthrough"] : [])
    _ = try Processes.spawn(
      Processes.program,
      arguments: ["supervise", "--server", "\(Processes.id)"] + flags + options.arguments,
      descriptors: given.all, newSession: true)
    try control.its.close()
    try parking.its.close()
    let old = session.withLock { session in
      defer { (session.control, session.parking) = (control.mine, parking.mine) }
      return session
    }
    // Other threads park files through the old socket until `move(to:)` is done. Until then it must
    // stay open: its number could become another file's.
    defer {
      try? old.control.close()
      try? old.parking.close()
    }
    try server.orphans.move(to: parking.mine)
    try server.source.move(to: parking.mine)
  }
}
