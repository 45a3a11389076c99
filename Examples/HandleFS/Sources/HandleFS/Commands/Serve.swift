internal import ArgumentParser
internal import HandleStore
internal import Logging
internal import SystemPackage

/// What the supervisor starts: the server of a file system that is or will be mounted.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve a file system that the supervisor has mounted.", shouldDisplay: false)

  @OptionGroup var mount: MountOptions
  @Flag var background = false

  func run() throws {
    let log = Log.start(inBackground: background)
    Processes.ignoreClosedPipes()
    // While it has its path.
    _ = Processes.program
    let session = SessionDescriptors()
    for descriptor in session.all { Processes.closeInPrograms(descriptor) }
    let source = try Source(mount, session.source)
    Processes.send(.prepared, to: session.control)
    guard let mounted = Processes.receive(from: session.control) else { throw ExitCode.failure }
    let options = ServerOptions(
      isReadOnly: mount.readOnly, crossesMounts: mount.crossMounts,
      cacheTimeout: mount.cacheTimeout,
      passthrough: mounted == .mountedWithPassthrough, files: Self.cacheSize)
    let server = try Server(source, session: session, options: options, log: log)
    let kernel = try Session(server, fuse: session.fuse, start: session.start.contents())
    let supervision = Supervision(mount, session, server, inBackground: background)
    Thread.start { supervision.listen() }
    Thread.start { server.answerQuestions(from: session.questions) }
    Thread.start { server.housekeeping.run() }
    // Whoever reads what the command prints waits for its end.
    if background { Processes.silence() }
    Processes.send(.serving, to: session.control)
    let end = try kernel.serve(threads: Self.threads, on: session.fuse)
    if end == .unmounted { server.watchers.endAll() }
    try source.store.close()
    if end == .unmounted { supervision.tell(.unmounted) }
  }

  private static let threads = 4

  /// What is left of the descriptors besides those of the requests under way and of the store.
  private static var cacheSize: Int { min(900, Processes.descriptorLimit - 100) }
}

/// The directory that is shown, and the store that knows its files.
struct Source {
  let store: Store
  let export: Export
  let filesystem: FilesystemID

  init(_ options: MountOptions, _ source: FileDescriptor) throws {
    store = try Store(at: FilePath(options.store))
    filesystem = try store.attach(source)
    // Those that a server before this one has come to.
    if options.crossMounts { try Self.attachMounts(below: options.source, to: store) }
    export = try Self.export(of: source, options, in: store)
  }

  /// Not what a FUSE server shows: it may be this one, which would wait for itself.
  private static func attachMounts(below source: String, to store: Store) throws {
    for mount in try MountTable.mounts()
    where mount.point.hasPrefix("\(source)/") && !mount.type.hasPrefix("fuse") {
      let directory = try? FileDescriptor.open(
        FilePath(mount.point), .readOnly, options: [.directory, .closeOnExec])
      guard let directory else { continue }
      _ = try? store.attach(directory)
      try directory.close()
    }
  }

  private static func export(
    of root: FileDescriptor, _ options: MountOptions, in store: Store
  ) throws -> Export {
    let name = "handlefs \(options.source)"
    let handle = try KernelFileHandle(of: root)
    if let known = try store.exports().first(where: { $0.name == name }) {
      if known.isReadOnly == options.readOnly, known.layers.map(\.root) == [handle] {
        return try store.openExport(name)
      }
      try store.removeExport(name)
    }
    return try store.addExport(name, roots: [root], isReadOnly: options.readOnly)
  }
}
