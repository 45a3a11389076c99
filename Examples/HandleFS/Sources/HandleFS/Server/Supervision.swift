internal import HandleStore
internal import HandleLocks
internal import Logging
internal import Synchronization
internal import SystemPackage

/// A server process's side of the connection to its supervisor: carries out the supervisor's messages,
/// and starts another supervisor if this one is killed.
final class Supervision: Sendable {
  private struct State {
    var session: SessionDescriptors
    /// How the supervisor has mounted the filesystem; `nil` before.
    var mounted: Message?
    /// The connection to the host, if this process is a guest.
    var host: FileDescriptor?
    /// The server, if this process has the store open.
    var server: Server?
  }

  private let options: MountOptions
  private let inBackground: Bool
  private let log: Logger
  private let state: Locked<State>
  private let isUnmounted = Atomic(false)
  private let bell: Bell

  init(
    _ options: MountOptions, of session: SessionDescriptors, inBackground: Bool, log: Logger
  ) throws {
    self.options = options
    self.inBackground = inBackground
    self.log = log
    state = Locked(State(session: session))
    bell = try Bell()
  }

  var session: SessionDescriptors { state.withLock { $0.session } }
  var mounted: Message? { state.withLock { $0.mounted } }

  /// Whether the filesystem was mounted, and its connection to the kernel has ended since.
  var isConnectionEnded: Bool {
    let session = session
    return MountHistory(in: session.history).mounted != 0 && Processes.isEnded(session.fuse)
  }

  func tell(_ message: Message) { Processes.send(message, to: session.control) }

  /// Tells the supervisor that the filesystem is unmounted, so that it ends. From then on no new
  /// supervisor is started.
  func tellUnmounted() {
    isUnmounted.store(true, ordering: .sequentiallyConsistent)
    tell(.unmounted)
  }

  /// Handles the supervisor's messages for as long as the process runs.
  func listen() {
    var started = Int.min / 2
    while true {
      let message = Processes.receive(from: session.control)
      switch message {
      case .stop: stop()
      case .isRunning: tell(.runs)
      case .mounted, .mountedWithPassthrough: takeMounted(message)
      case nil where isUnmounted.load(ordering: .sequentiallyConsistent): return
      case nil where mounted == nil: Processes.end(ExitStatus.system.rawValue)
      case nil:
        // At most one start a second, in case each supervisor ends at once.
        if Processes.now - started < 1000 { Processes.sleep(milliseconds: 1000) }
        started = Processes.now
        do {
          try startSupervisor()
        } catch {
          log.error(
            "the supervisor is gone, and starting a new one failed: until one starts, a server that dies is not replaced",
            metadata: ["error": "\(error)"])
          Processes.sleep(milliseconds: 10_000)
        }
      default: break
      }
    }
  }

  private func stop() {
    guard state.withLock({ $0.server }) != nil else { Processes.end(ExitStatus.fine.rawValue) }
    Session.stop()
  }

  private func takeMounted(_ message: Message?) {
    state.withLock { state in
      state.mounted = message
      if let host = state.host, let message { Processes.send(message, to: host) }
    }
    bell.ring()
  }

  // MARK: The server

  /// Tells the supervisor that the store is open, unless it has mounted the filesystem already, and waits
  /// until it has.
  func waitForMount() -> Message {
    if mounted == nil { tell(.prepared) }
    while true {
      if let mounted { return mounted }
      bell.wait(milliseconds: -1)
    }
  }

  /// From now on this process serves the mount.
  ///
  /// - Parameter session: the one that the server was given.
  func begin(_ server: Server, in session: SessionDescriptors) throws {
    let present = state.withLock { state in
      state.server = server
      return state.session
    }
    // The supervisor may have been replaced meanwhile.
    if present.parking != session.parking { try move(to: present.parking) }
  }

  // MARK: The host

  /// Asks a host to serve the mount.
  func join(_ host: FileDescriptor) throws(Errno) {
    try state.withLock { (state) throws(Errno) in
      try GuestRequest.send(options, state.session, to: host)
      state.host = host
    }
  }

  /// The host has opened what it needs. It is told how the filesystem is mounted, now or later.
  func passPrepared() {
    state.withLock { state in
      if let host = state.host, let mounted = state.mounted {
        Processes.send(mounted, to: host)
      } else {
        Processes.send(.prepared, to: state.session.control)
      }
    }
  }

  func leaveHost() { state.withLock { $0.host = nil } }

  // MARK: The next supervisor

  private func startSupervisor() throws {
    let (control, parking) = (try Parking.makeSockets(), try Parking.makeSockets())
    var given = session
    (given.control, given.parking) = (control.its, parking.its)
    let flags =
      (inBackground ? ["--background"] : [])
      + (mounted == .mountedWithPassthrough ? ["--with-passthrough"] : [])
    _ = try Processes.spawn(
      Processes.program,
      arguments: ["supervise", "--server", "\(Processes.id)"] + flags + options.arguments,
      descriptors: given.all, newSession: true)
    try control.its.close()
    try parking.its.close()
    let old = state.withLock { state in
      defer { (state.session.control, state.session.parking) = (control.mine, parking.mine) }
      return state
    }
    // Other threads park files through the old socket until they are moved. Until then it must stay
    // open: its number could become another file's.
    defer {
      try? old.session.control.close()
      try? old.session.parking.close()
    }
    try move(to: parking.mine)
  }

  private func move(to parking: FileDescriptor) throws {
    let server = try state.withLock { state in
      if let host = state.host { try Processes.send(.parkHere, with: [parking], to: host) }
      return state.server
    }
    try server?.orphans.move(to: parking)
    try server?.source.move(to: parking)
  }
}
