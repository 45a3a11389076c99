internal import ArgumentParser
internal import SystemPackage

/// Supervises a server in the background. The mount command starts this, and so does a server whose
/// supervisor was killed.
struct Supervise: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Watch over a server.", shouldDisplay: false)

  @OptionGroup var mount: MountOptions
  @Flag var new = false
  @Flag var background = false
  @Flag var withPassthrough = false
  @Option var server: Int32?

  func run() throws { try Log.tellingErrors(.supervisor, of: mount, supervise) }

  private func supervise() throws {
    guard new else {
      guard let server else { throw ValidationError("--server is missing") }
      let supervisor = try Supervisor(
        mount, adopting: server, inBackground: background, passthrough: withPassthrough)
      return try supervisor.goOn()
    }
    let ready = FileDescriptor(rawValue: 3)
    Processes.closeInPrograms(ready)
    try Supervisor(mount, inBackground: true).run {
      Processes.silence()
      Processes.send(.serving, to: ready)
      try? ready.close()
    }
  }
}
