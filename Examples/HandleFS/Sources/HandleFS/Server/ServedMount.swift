internal import HandleStore
internal import Logging
internal import PostgresNodeIndex
internal import SystemPackage

/// A mount that this process serves: the one for which it was started, or a guest's.
struct ServedMount {
  let server: Server
  private let options: MountOptions
  private let session: SessionDescriptors
  private let kernel: Session

  init(
    _ options: MountOptions, _ session: SessionDescriptors, _ source: Source,
    _ settings: ServerOptions, among neighbours: Neighbours, log: Logger
  ) throws {
    (self.options, self.session) = (options, session)
    server = try Server(
      source, session: session, options: settings, among: neighbours, log: log)
    kernel = try Session(
      server, server.notifier, fuse: session.fuse, start: session.startRequest)
    try server.beginCaching(session)
    neighbours.add(server)
  }

  /// Starts the threads that do not serve requests.
  func begin() {
    Thread.start { [server, session] in server.answerQuestions(from: session.questions) }
    Thread.start { [server] in server.housekeeping.run() }
    Thread.start { [server] in server.closing.run() }
    Thread.start { [server] in server.readingAhead.run() }
    Thread.start { [server] in server.letGoOfForgotten() }
    if let bound = server.bound { Thread.start { [server] in server.askBack(bound) } }
    if server.store.gatewayStatus != nil {
      Thread.start { [server] in server.watchers.followGateways() }
      // Tells the other gateways that this one knows by now what its kernel holds.
      Thread.start { [server] in _ = try? server.store.evict() }
    }
    if let kept = server.kept { Thread.start { [server] in server.makeRoom(in: kept) } }
    Thread.start { [server] in
      // Watchers that outlived the last server reconnect at once.
      Processes.sleep(milliseconds: 10_000)
      server.watchers.endAbsent()
    }
  }

  /// Serves requests until the filesystem is unmounted or all serving is to end.
  func serve() throws -> Session.End {
    let end = try server.neighbours.withDescriptors {
      try kernel.serve(threads: options.threads, on: session.fuse, rings: session.rings)
    }
    if end == .unmounted {
      server.watchers.endAll()
      server.unpinAll()
    }
    return end
  }
}

extension ServerOptions {
  /// - Parameters:
  ///   - mounted: how the supervisor has mounted the filesystem.
  ///   - files: how many files the server's cache keeps open.
  init(_ mount: MountOptions, _ mounted: Message, files: Int, endsOnDamage: Bool) {
    self.init(
      crossesMounts: mount.crossMounts, readOnly: mount.readOnly,
      cacheTimeout: mount.cacheTimeout,
      passthrough: mounted == .mountedWithPassthrough, maxBackground: mount.maxBackground,
      congestion: mount.congestionThreshold, nodes: mount.nodes, idleForget: mount.idleForget,
      files: files, hasCache: mount.database.cache != nil, endsOnDamage: endsOnDamage,
      mountpoint: mount.mountpoint)
  }
}
