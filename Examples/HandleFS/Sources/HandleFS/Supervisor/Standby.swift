internal import HandleStore
internal import Logging
internal import SystemPackage

/// A server process that is started ahead of time. It waits with the program loaded, so that it serves
/// sooner when the present server has ended.
struct Standby {
  /// How long a server serves before the next one is started, in milliseconds, so that it has the processors
  /// for itself at first.
  private static let pause = 20

  private struct Waiting {
    var server: RunningServer
    let program: Program
    let file: Program.Identity?
  }

  private var waiting: Waiting?
  /// When to start the process; `nil` if it is not to be started.
  private(set) var startAt: Int?

  /// The process; `nil` if there is none.
  var process: FileDescriptor? { waiting?.server.process }

  /// Has the process started soon, unless there is one.
  mutating func schedule() { if waiting == nil { startAt = Processes.now + Self.pause } }

  mutating func start(
    _ program: Program, _ options: MountOptions, in session: inout SessionDescriptors,
    inBackground: Bool, log: Logger
  ) {
    startAt = nil
    do {
      let file = program.identity
      let server = try RunningServer(
        program, options, in: &session, inBackground: inBackground, flags: ["--when-needed"])
      waiting = Waiting(server: server, program: program, file: file)
    } catch {
      log.notice(
        "starting a server ahead of time failed; the next one takes longer to start",
        metadata: ["error": "\(error)"])
    }
  }

  /// Returns the server, which begins now; `nil` if there is none, or if another program has its path by
  /// now, which is to be used.
  mutating func take(for program: Program) -> RunningServer? {
    startAt = nil
    guard let waiting, waiting.program === program, waiting.file == program.identity else {
      end()
      return nil
    }
    self.waiting = nil
    var server = waiting.server
    server.begin()
    return server
  }

  /// Ends the process, and waits for its end: it has the source's filesystem open. There is none then until the
  /// next server serves.
  mutating func end() {
    startAt = nil
    guard let server = waiting?.server else { return }
    waiting = nil
    server.leave()
  }

  // MARK: In the process itself

  /// Waits until the supervisor needs this server. Returns `false` if it never will.
  static func waitUntilNeeded(_ session: SessionDescriptors) -> Bool {
    Processes.setName("handlefs-next")
    Processes.prepareToServe(rings: session.rings)
    return Processes.receive(from: session.control) == .begin
  }
}
