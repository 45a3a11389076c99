internal import ArgumentParser
internal import HandleStore
internal import SystemPackage

/// The supervisor's view of a server process.
struct RunningServer {
  let id: Int32
  private(set) var started = Processes.now
  /// A descriptor that becomes readable when the process ends; `nil` if the process is known to
  /// have ended.
  private(set) var process: FileDescriptor?
  /// The socket for messages; `nil` once the server has closed its end.
  private(set) var control: FileDescriptor?
  private(set) var parking: FileDescriptor?

  /// Starts a server and connects it by new sockets.
  ///
  /// - Parameter flags: further ones of ``Serve``.
  init(
    _ program: Program, _ options: MountOptions, in session: inout SessionDescriptors,
    inBackground: Bool, flags: [String] = []
  ) throws {
    let (control, parking) = (try Parking.makeSockets(), try Parking.makeSockets())
    session.control = control.its
    session.parking = parking.its
    defer {
      try? control.its.close()
      try? parking.its.close()
    }
    let flags = flags + (inBackground ? ["--background"] : [])
    do {
      let id = try program.spawn(
        arguments: ["serve"] + flags + options.arguments, descriptors: session.all)
      self.id = id
      do throws(Errno) {
        process = try Processes.descriptor(of: id)
      } catch {
        Processes.kill(id)
        _ = Processes.reap(id)
        throw error
      }
    } catch {
      try? control.mine.close()
      try? parking.mine.close()
      throw error
    }
    (self.control, self.parking) = (control.mine, parking.mine)
  }

  /// Adopts a server that already runs, at the other ends of the session's sockets. If it has ended
  /// in the meantime, ``process`` is `nil`.
  init(adopting id: Int32, _ session: SessionDescriptors) throws(Errno) {
    self.id = id
    (control, parking) = (session.control, session.parking)
    do throws(Errno) {
      process = try Processes.descriptor(of: id)
    } catch {
      guard error == .noSuchProcess else { throw error }
    }
  }

  /// Waits until the server has opened its store, and takes the files that it parks meanwhile.
  ///
  /// - Throws: the server's exit code if it ended instead; the server has printed the reason.
  mutating func waitUntilPrepared(_ parked: ParkedFiles) throws {
    while let parking, Processes.wait(for: [parking, control])[0] {
      if try !parked.receive(from: parking) { closeParking() }
    }
    guard let control, Processes.receive(from: control) == .prepared else {
      throw waitForFailure()
    }
  }

  /// Waits for the end of a server that does not begin to serve; returns the code to exit with.
  mutating func waitForFailure() -> ExitCode {
    kill()
    _ = Processes.wait(for: [process])
    return reap().exitCode
  }

  /// Has a server begin that was started ahead of time.
  mutating func begin() {
    started = Processes.now
    tell(.begin)
  }

  func tellMounted(_ passthrough: Bool) { tell(passthrough ? .mountedWithPassthrough : .mounted) }

  /// Tells the server to end after it has answered the requests that it has under way.
  func stop() { tell(.stop) }

  /// Asks the server to report that it runs.
  func ask() { tell(.isRunning) }

  func kill() { Processes.kill(id) }

  private func tell(_ message: Message) {
    if let control { Processes.send(message, to: control) }
  }

  /// Waits for the next message; returns `nil` if the server has closed its end.
  mutating func receive() -> Message? {
    guard let socket = control else { return nil }
    let message = Processes.receive(from: socket)
    if message == nil {
      try? socket.close()
      control = nil
    }
    return message
  }

  mutating func closeParking() {
    try? parking?.close()
    parking = nil
  }

  /// Returns the socket for parked files, which is then the caller's, to close.
  mutating func takeParking() -> FileDescriptor? {
    defer { parking = nil }
    return parking
  }

  /// Ends a server that has not begun.
  consuming func leave() {
    kill()
    _ = Processes.wait(for: [process])
    for descriptor in [control, parking] { try? descriptor?.close() }
    _ = reap()
  }

  mutating func reap() -> Processes.End {
    try? process?.close()
    process = nil
    return Processes.reap(id)
  }
}

extension Processes.End {
  /// The exit code of a command whose work this process failed to do.
  var exitCode: ExitCode {
    guard case .exit(let status) = self, status != 0 else { return ExitCode(ExitStatus.system) }
    return ExitCode(status)
  }
}

extension ExitCode {
  init(_ status: ExitStatus) { self.init(status.rawValue) }
}
