internal import HandleStore
internal import Logging
internal import Synchronization
internal import SystemPackage

/// A server's side of its supervisor: hears what that wants, and starts another one where it was
/// killed.
final class Supervision: Sendable {
  private let options: MountOptions
  private let server: Server
  private let inBackground: Bool
  private let session: Mutex<SessionDescriptors>
  private let isUnmounted = Atomic(false)

  init(
    _ options: MountOptions, _ session: SessionDescriptors, _ server: Server, inBackground: Bool
  ) {
    self.options = options
    self.server = server
    self.inBackground = inBackground
    self.session = Mutex(session)
  }

  /// The file system is not mounted any more: the supervisor ends, and there is to be no other one.
  func tellUnmounted() {
    isUnmounted.store(true, ordering: .sequentiallyConsistent)
    Processes.send(.unmounted, to: session.withLock { $0.control })
  }

  /// Listens for as long as the server runs.
  func listen() {
    var started = Int.min / 2
    while true {
      switch Processes.receive(from: session.withLock { $0.control }) {
      case .stop: Session.stop()
      case .isRunning: Processes.send(.runs, to: session.withLock { $0.control })
      case nil where isUnmounted.load(ordering: .sequentiallyConsistent): return
      case nil:
        // Not many in a second, where each of them ends at once.
        if Processes.now - started < 1000 { Processes.sleep(milliseconds: 1000) }
        started = Processes.now
        do {
          try startSupervisor()
        } catch {
          server.log.error(
            "the supervisor is gone, and no other one can be started yet: a server that dies is not replaced",
            metadata: ["error": "\(error)"])
          Processes.sleep(milliseconds: 10_000)
        }
      default: break
      }
    }
  }

  private func startSupervisor() throws {
    let (control, itsControl) = try Parking.makeSockets()
    let (parking, itsParking) = try Parking.makeSockets()
    var given = session.withLock { $0 }
    (given.control, given.parking) = (itsControl, itsParking)
    let flags =
      (inBackground ? ["--background"] : [])
      + (server.options.passthrough ? ["--with-passthrough"] : [])
    _ = try Processes.spawn(
      Processes.program, ["supervise", "--server", "\(Processes.id)"] + flags + options.arguments,
      given.all, newSession: true)
    try itsControl.close()
    try itsParking.close()
    let old = session.withLock { session in
      defer { (session.control, session.parking) = (control, parking) }
      return session
    }
    // Requests park in the old socket until this is done: its number may not be another file's before.
    defer {
      try? old.control.close()
      try? old.parking.close()
    }
    try server.orphans.move(to: parking)
  }
}
