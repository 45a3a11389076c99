internal import ArgumentParser
internal import HandleStore
internal import SystemPackage

/// A server process, as its supervisor has it.
struct RunningServer {
  let id: Int32
  let started = Processes.now
  /// Can be read once it has ended.
  private(set) var process: FileDescriptor?
  /// `nil` once the server has closed its end.
  private(set) var control: FileDescriptor?
  private(set) var parking: FileDescriptor?

  /// Starts a server, with new sockets to it.
  init(_ options: MountOptions, _ session: inout SessionDescriptors) throws {
    let (control, itsControl) = try Parking.makeSockets()
    let (parking, itsParking) = try Parking.makeSockets()
    session.control = itsControl
    session.parking = itsParking
    defer {
      try? itsControl.close()
      try? itsParking.close()
    }
    id = try Processes.spawn(Processes.program, ["serve"] + options.arguments, session.all)
    process = try Processes.descriptor(of: id)
    (self.control, self.parking) = (control, parking)
  }

  /// - Throws: where it has ended instead; it has said why.
  func waitUntilPrepared() throws {
    guard let control, Processes.receive(from: control) == .prepared else {
      throw ExitCode.failure
    }
  }

  func tellMounted(_ passthrough: Bool) {
    guard let control else { return }
    Processes.send(passthrough ? .mountedWithPassthrough : .mounted, to: control)
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

  mutating func reap() {
    Processes.reap(id)
    try? process?.close()
    process = nil
  }
}
