internal import ArgumentParser
internal import SystemPackage

struct Mount: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Mount a directory in another place (the default).")

  @OptionGroup var mount: MountOptions

  @Flag(help: "Stay in the foreground, and log to standard error.")
  var foreground = false

  func run() throws {
    let supervisor = try Supervisor(mount, log: Log.start(inBackground: !foreground))
    try supervisor.run()
  }
}

/// What the command starts to stay in the background.
struct Supervise: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Watch over a server.", shouldDisplay: false)

  @OptionGroup var mount: MountOptions

  func run() throws {}
}
