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

  func run() throws { try Log.tellingErrors(.server, of: mount, serve) }

  private func serve() throws {
    let log = Log.start(.server, of: mount, inBackground: background)
    Processes.ignoreClosedPipes()
    Processes.ignoreHangups()
    // Reads the program's path before another program can replace it.
    _ = Processes.program
    if let cpus = mount.cpus { try Processes.use(cpus) }
    let session = SessionDescriptors()
    for descriptor in session.all { Processes.closeInPrograms(descriptor) }
    let source = try Source(mount, session, keptFiles: Self.keptFiles)
    let cacheSize = source.kept == nil ? Self.cacheSize : Self.smallCacheSize
    let isNew = MountHistory(in: session.history).mounted == 0
    source.tell(log, of: mount, isNew: isNew, inBackground: background)
    Processes.send(.prepared, to: session.control)
    guard let mounted = Processes.receive(from: session.control) else { throw ExitCode.failure }
    let options = ServerOptions(
      crossesMounts: mount.crossMounts, readOnly: mount.readOnly,
      cacheTimeout: mount.cacheTimeout,
      passthrough: mounted == .mountedWithPassthrough, maxBackground: mount.maxBackground,
      congestion: mount.congestionThreshold, nodes: mount.nodes, idleForget: mount.idleForget,
      files: cacheSize,
      endsOnDamage: !mended, mountpoint: mount.mountpoint)
    let server = try Server(source, session: session, options: options, log: log)
    let kernel = try Session(
      server, server.notifier, fuse: session.fuse, start: session.startRequest)
    try server.beginCaching(session)
    let supervision = Supervision(
      mount, of: session, server: server, inBackground: background)
    Thread.start { supervision.listen() }
    Thread.start { server.answerQuestions(from: session.questions) }
    Thread.start { server.housekeeping.run() }
    Thread.start { server.letGoOfForgotten() }
    if let bound = server.bound { Thread.start { server.askBack(bound) } }
    if let kept = server.kept { Thread.start { server.makeRoom(in: kept) } }
    Thread.start {
      // Watchers that outlived the last server reconnect at once.
      Processes.sleep(milliseconds: 10_000)
      server.watchers.endAbsent()
    }
    // A process that reads the command's output waits until standard output is closed.
    if background { Processes.silence() }
    Processes.send(.serving, to: session.control)
    let end = try kernel.serve(threads: mount.threads, on: session.fuse)
    if end == .unmounted { server.watchers.endAll() }
    // Also if the store cannot be closed, because it was removed after the unmount: otherwise the
    // supervisor would start servers for ever.
    defer { if end == .unmounted { supervision.tellUnmounted() } }
    try source.store.close()
  }

  /// How many files the cache may keep open: the limit of descriptors, less those for the store and
  /// the requests under way.
  private static var cacheSize: Int { min(900, Processes.descriptorLimit - 100) }

  /// The same if files are kept open: the cache then has only those that are read and written.
  private static var smallCacheSize: Int { min(900, Processes.descriptorLimit / 8) }

  /// How many files may be kept open.
  private static var keptFiles: Int { max(Processes.descriptorLimit - smallCacheSize - 100, 1) }
}
