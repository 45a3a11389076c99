internal import ArgumentParser
internal import HandleStore
internal import Logging
internal import Synchronization
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
  private let state = Mutex(State())

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
      guard let connection = try? Processes.accept(listener) else {
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
      return close([guest])
    }
    do {
      guard message == .join, let request = try GuestRequest(descriptors) else {
        throw CommandError("another version has the store open; restart that mount first", .store)
      }
      try serve(request, guest)
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

  private func serve(_ request: GuestRequest, _ guest: FileDescriptor) throws {
    let (options, session) = (request.options, request.session)
    // The former guest of this mount has ended, so this process is about to end too.
    guard try !neighbours.contains(device: session.device) else {
      return close(session.all + [guest])
    }
    try admit(session)
    let source = try Source(options, session, guestOf: self.source)
    Processes.send(.prepared, to: guest)
    guard let (mounted, parking) = waitForMount(guest) else {
      return close(session.all + [guest])
    }
    if let cpus = options.cpus { try Processes.use(cpus) }
    let mount = try ServedMount(
      options, session, source,
      ServerOptions(
        options, mounted, files: DescriptorBudget.cacheOfGuest, endsOnDamage: endsOnDamage),
      among: neighbours, log: Log.ofGuest(options))
    if let parking { park(in: parking, mount.server) }
    mount.begin()
    Thread.start { [self, server = mount.server] in hear(guest, of: server) }
    log.info("serves another mount", metadata: ["mount point": "\(options.mountpoint)"])
    Processes.send(.serving, to: guest)
    serve(mount, guest)
  }

  /// Waits until the guest's supervisor has mounted. If another supervisor takes its place meanwhile, also
  /// returns the socket to that one.
  private func waitForMount(_ guest: FileDescriptor) -> (Message, parking: FileDescriptor?)? {
    var parking: FileDescriptor?
    while let (message, descriptors) = Processes.receiveAll(from: guest) {
      switch message {
      case .parkHere?: parking = descriptors.first
      case let message?: return (message, parking)
      case nil: return nil
      }
    }
    return nil
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
  private func hear(_ guest: FileDescriptor, of server: Server) {
    while let (message, descriptors) = Processes.receiveAll(from: guest) {
      if message == .parkHere, let socket = descriptors.first { park(in: socket, server) }
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
