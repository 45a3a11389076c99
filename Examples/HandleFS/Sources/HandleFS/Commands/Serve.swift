internal import ArgumentParser
internal import HandleStore
internal import Logging
internal import SystemPackage

/// Serves a filesystem that is mounted or about to be. The supervisor starts this.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve a filesystem that the supervisor has mounted.", shouldDisplay: false)

  @OptionGroup var mount: MountOptions
  @Flag var background = false
  @Flag var mended = false
  /// Wait until the supervisor needs this server (``Standby``).
  @Flag var whenNeeded = false

  func run() throws { try Log.tellingErrors(.server, of: mount, serve) }

  private func serve() throws {
    Processes.makeRoomForDescriptors()
    var session = SessionDescriptors()
    // The supervisor may be of a version before 0.2, which has no such files.
    let (isSharing, hasSetID) = (Processes.isOpen(session.sharing), Processes.isOpen(session.setID))
    let hasRings = Processes.isOpen(session.rings)
    if !isSharing && !mount.isShared { session.sharing = try StoreSharing.join(session.store) }
    if !hasSetID { session.setID = try SessionDescriptors.memoryOfSetIDFiles() }
    if !hasRings { session.rings = try SessionDescriptors.openNothing() }
    let log = Log.start(.server, of: mount, inBackground: background)
    Processes.ignoreClosedPipes()
    Processes.ignoreHangups()
    // Reads the program's path before another program can replace it.
    _ = Processes.program
    if let cpus = mount.cpus { try Processes.use(cpus) }
    for descriptor in session.all { Processes.closeInPrograms(descriptor) }
    var probe: FilesystemProbe?
    if whenNeeded {
      if mount.handles != .never { probe = try? FilesystemProbe(of: session.source) }
      // What fails now may not fail later.
      if probe?.isUsable == false { probe = nil }
      guard Standby.waitUntilNeeded(session) else { return }
    }
    Processes.setName("handlefs-serve")
    let supervision = try Supervision(mount, of: session, inBackground: background, log: log)
    Thread.start { supervision.listen() }
    if !mount.isShared {
      let guest = try Guest(mount, supervision, inBackground: background, log: log)
      guard try guest.waitUntilHost() else { return }
    }
    try serve(supervision, probe, log)
  }

  /// Opens the store, and serves the mount and those of guests.
  ///
  /// - Parameter probe: what the source's filesystem offers, if that is known.
  private func serve(
    _ supervision: Supervision, _ probe: FilesystemProbe?, _ log: Logger
  ) throws {
    let session = supervision.session
    let source = try Source(
      mount, session, probe: probe, keptFiles: DescriptorBudget.keptFiles
    ) {
      try StoreOpening(mount, supervision, log: log).open()
    }
    let isNew = MountHistory(in: session.history).mounted == 0
    source.tell(log, of: mount, isNew: isNew, inBackground: background)
    let options = ServerOptions(
      mount, supervision.waitForMount(),
      files: source.kept == nil ? DescriptorBudget.cache : DescriptorBudget.smallCache,
      endsOnDamage: endsOnDamage)
    let sharing = mount.isShared ? nil : try StoreSharing(session)
    let neighbours = Neighbours(sharing)
    let own = try ServedMount(mount, session, source, options, among: neighbours, log: log)
    try supervision.begin(own.server, in: session)
    own.begin()
    let host = sharing.map { makeHost(source, $0, neighbours, log) }
    host?.begin()
    // A process that reads the command's output waits until standard output is closed.
    if background { Processes.silence() }
    supervision.tell(.serving)
    let end = try own.serve()
    host?.end()
    // What the kernel holds is held while the store is closed: another gateway may not drop it.
    let closed = withExtendedLifetime(own) { Result { try close(source.store) } }
    // Also if the store cannot be closed, because it was removed after the unmount: otherwise the
    // supervisor would start servers for ever.
    if end == .unmounted { supervision.tellUnmounted() }
    try closed.get()
    // What libpq cleans up at exit, another thread may still use.
    if mount.isShared { Processes.end(ExitStatus.fine.rawValue) }
  }

  /// Whether the server ends if the store is damaged, so that it is repaired.
  private var endsOnDamage: Bool { !mended && !mount.isShared }

  private func makeHost(
    _ source: Source, _ sharing: StoreSharing, _ neighbours: Neighbours, _ log: Logger
  ) -> Host {
    Host(source, sharing, among: neighbours, endsOnDamage: endsOnDamage, log: log) { error in
      let end = CommandExit(error)
      return (end.status, end.message)
    }
  }

  /// Closes the store. A database that does not answer is not waited for: the gateway's lease ends by
  /// itself.
  private func close(_ store: Store) throws {
    guard mount.isShared else { return try store.close() }
    let bell = try Bell()
    Thread.start {
      try? store.close()
      bell.ring()
    }
    bell.wait(milliseconds: 2000)
  }
}
