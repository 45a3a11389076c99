internal import ArgumentParser
internal import HandleStore
internal import HandleLocks
internal import Logging
internal import SystemPackage

/// Serves the mounts of guests: of other server processes, whose mounts use the store that this process
/// has open (``Guest``).
///
/// When a guest's mount has been unmounted, or the guest has ended, this process ends as if it was to be
/// replaced, and the next host begins without that mount. So nothing of a former mount is left, and the
/// way is the one that a killed server takes.
final class Host: Sendable {
  private struct State {
    var isEnding = false
    /// How many guests are served.
    var serving = 0
  }

  private let source: Source
  private let sharing: StoreSharing
  private let neighbours: Neighbours
  private let endsOnDamage: Bool
  private let log: Logger
  private let exit: @Sendable (any Error) -> (Int32, String)
  private let state = Locked(State())

  /// - Parameters:
  ///   - source: that of the mount for which this process was started.
  ///   - exit: returns the exit code and the message of a command that fails with an error.
  init(
    _ source: Source, _ sharing: StoreSharing, among neighbours: Neighbours,
    endsOnDamage: Bool, log: Logger, exit: @escaping @Sendable (any Error) -> (Int32, String)
  ) {
    (self.source, self.neighbours, self.log) = (source, neighbours, log)
    self.exit = exit
    (self.sharing, self.endsOnDamage) = (sharing, endsOnDamage)
  }

  /// Serves guests from now on. If the store's filesystem has no sockets, there are none.
  func begin() {
    do throws(Errno) {
      let listener = try sharing.listen()
      Thread.start { [self] in listen(on: listener) }
    } catch {
      log.notice(
        "no other mount can use this store at the same time", metadata: ["error": "\(error)"])
    }
  }

  private func listen(on listener: FileDescriptor) {
    while true {
      guard let connection = try? neighbours.withDescriptors({ try Processes.accept(listener) })
      else {
        // The limit of descriptors is reached; try again later.
        Processes.sleep(milliseconds: 1000)
        continue
      }
      guard Processes.isOwn(connection) else {
        try? connection.close()
        continue
      }
      Thread.start { [self] in serve(connection) }
    }
  }

  /// Has this process end, and waits until the requests under way are answered.
  func end() {
    state.withLock { $0.isEnding = true }
    Session.stop()
    while state.withLock({ $0.serving }) > 0 { Processes.sleep(milliseconds: 1) }
  }

  // MARK: One guest

  private func serve(_ guest: FileDescriptor) {
    guard let (message, descriptors) = Processes.receiveAll(from: guest) else {
      // There may be too few descriptors for what the guest has sent. It tries again.
      neighbours.shrinkCaches()
      return close([guest])
    }
    do {
      guard message == .join, let request = try GuestRequest(descriptors) else {
        throw CommandError("another version has the store open; restart that mount first", .store)
      }
      serve(request, guest)
    } catch {
      refuse(guest, error)
      close(descriptors + [guest])
    }
  }

  private func refuse(_ guest: FileDescriptor, _ error: any Error) {
    // The error may come from that; the guest tries the next host.
    guard !state.withLock({ $0.isEnding }) else { return }
    let (status, message) = exit(error)
    Processes.send(.refused, to: guest)
    try? guest.writeOnce(Array("\(status) \(message)".utf8))
  }

  private func close(_ descriptors: [FileDescriptor]) {
    for descriptor in descriptors { try? descriptor.close() }
  }

  private func serve(_ request: GuestRequest, _ guest: FileDescriptor) {
    var session = request.session
    do {
      if let mount = try join(request.options, &session, guest) { return serve(mount, guest) }
    } catch {
      refuse(guest, error)
    }
    close(session.all + [guest])
  }

  /// Begins to serve a guest's mount. Returns `nil` if the guest has ended meanwhile.
  private func join(
    _ options: MountOptions, _ session: inout SessionDescriptors, _ guest: FileDescriptor
  ) throws -> ServedMount? {
    try admit(session)
    let source = try neighbours.withDescriptors {
      try Source(options, session, guestOf: self.source)
    }
    Processes.send(.prepared, to: guest)
    let parking = session.parking
    guard let mounted = waitForMount(guest, &session) else {
      // The store has attached its filesystem, which would stay busy.
      Session.stop()
      return nil
    }
    if let cpus = options.cpus { try Processes.use(cpus) }
    // If the mount is here already, its former guest has ended, so this process is about to end too.
    let mount = try neighbours.join(session.device) { [session] in
      FaultPoint.wait(at: .guestMounted)
      let settings = ServerOptions(
        options, mounted, files: DescriptorBudget.cacheOfGuest, endsOnDamage: endsOnDamage)
      return try neighbours.withDescriptors {
        try ServedMount(
          options, session, source, settings, among: neighbours, log: Log.ofGuest(options))
      }
    }
    guard let mount else { return nil }
    if session.parking != parking { park(in: session.parking, mount.server) }
    mount.begin()
    Thread.start { [self, server = mount.server, parking = session.parking] in
      hear(guest, of: server, parkingIn: parking)
    }
    log.info("serves another mount", metadata: ["mount point": "\(options.mountpoint)"])
    Processes.send(.serving, to: guest)
    return mount
  }

  /// Waits until the guest's supervisor has mounted. If another supervisor takes its place meanwhile,
  /// replaces the socket to it.
  private func waitForMount(
    _ guest: FileDescriptor, _ session: inout SessionDescriptors
  ) -> Message? {
    while let (message, socket) = next(from: guest) {
      if message == .mounted || message == .mountedWithPassthrough { return message }
      guard let socket else { continue }
      close([session.parking])
      session.parking = socket
    }
    return nil
  }

  /// Waits for a message, and the socket that comes with ``Message/parkHere``; returns `nil` if the guest
  /// has ended.
  private func next(from guest: FileDescriptor) -> (Message?, parking: FileDescriptor?)? {
    guard let (message, descriptors) = Processes.receiveAll(from: guest) else { return nil }
    if message == .parkHere, descriptors.count == 1 { return (message, descriptors[0]) }
    close(descriptors)
    return (message, nil)
  }

  private func admit(_ session: SessionDescriptors) throws {
    guard sharing.isShared(with: session) else {
      throw CommandError("the store's directory was replaced; unmount all its mounts", .store)
    }
    guard try !neighbours.contains(device: BackingFile.device(of: session.source)) else {
      throw CommandError(
        "the source is on another mount of the same store; use a store of its own", .usage)
    }
  }

  private func serve(_ mount: ServedMount, _ guest: FileDescriptor) {
    let mayBegin = state.withLock { state in
      if !state.isEnding { state.serving += 1 }
      return !state.isEnding
    }
    guard mayBegin else { return }
    do {
      if try mount.serve() == .unmounted { Processes.send(.unmounted, to: guest) }
    } catch {
      log.error("serving a guest failed", metadata: ["error": "\(error)"])
    }
    state.withLock { $0.serving -= 1 }
    Session.stop()
  }

  /// Handles the messages of a guest until it ends.
  private func hear(_ guest: FileDescriptor, of server: Server, parkingIn first: FileDescriptor) {
    var parking = first
    while let (_, socket) = next(from: guest) {
      guard let socket else { continue }
      park(in: socket, server)
      close([parking])
      parking = socket
    }
    Session.stop()
  }

  private func park(in socket: FileDescriptor, _ server: Server) {
    do {
      try server.orphans.move(to: socket)
      try server.source.move(to: socket)
    } catch {
      log.error(
        "parking the files of a guest in its new supervisor failed",
        metadata: ["error": "\(error)"])
    }
  }
}
