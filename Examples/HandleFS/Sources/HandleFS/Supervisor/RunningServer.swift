internal import ArgumentParser
internal import HandleStore
internal import SystemPackage

/// A server process, as its supervisor has it.
struct RunningServer {
  let id: Int32
  let started = Processes.now
  /// Can be read once it has ended; `nil` once that is known.
  private(set) var process: FileDescriptor?
  /// `nil` once the server has closed its end.
  private(set) var control: FileDescriptor?
  private(set) var parking: FileDescriptor?

  /// Starts a server, with new sockets to it.
  init(
    _ program: FilePath, _ options: MountOptions, _ session: inout SessionDescriptors,
    _ inBackground: Bool, afterMending isMended: Bool = false
  ) throws {
    let (control, itsControl) = try Parking.makeSockets()
    let (parking, itsParking) = try Parking.makeSockets()
    session.control = itsControl
    session.parking = itsParking
    defer {
      try? itsControl.close()
      try? itsParking.close()
    }
    let flags = (inBackground ? ["--background"] : []) + (isMended ? ["--mended"] : [])
    id = try Processes.spawn(program, ["serve"] + flags + options.arguments, session.all)
    process = try Processes.descriptor(of: id)
    (self.control, self.parking) = (control, parking)
  }

  /// One that runs already, at the other ends of sockets. It may have ended since: then there is no
  /// process.
  init(adopting id: Int32, _ session: SessionDescriptors) throws(Errno) {
    self.id = id
    (control, parking) = (session.control, session.parking)
    do throws(Errno) {
      process = try Processes.descriptor(of: id)
    } catch {
      guard error == .noSuchProcess else { throw error }
    }
  }

  /// - Throws: where it has ended instead; it has said why.
  func waitUntilPrepared() throws {
    guard let control, Processes.receive(from: control) == .prepared else {
      throw ExitCode.failure
    }
  }

  func tellMounted(_ passthrough: Bool) { tell(passthrough ? .mountedWithPassthrough : .mounted) }

  /// Lets it end once it has answered what it has under way.
  func stop() { tell(.stop) }

  /// It is to say that it runs.
  func ask() { tell(.isRunning) }

  func kill() { Processes.kill(id) }

  private func tell(_ message: Message) {
    if let control { Processes.send(message, to: control) }
  }

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

  mutating func reap() -> Processes.End {
    try? process?.close()
    process = nil
    return Processes.reap(id)
  }
}
