internal import ArgumentParser

@main
struct HandleFS: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "handlefs",
    abstract: "Show a directory in another place, by a FUSE server that may be killed.",
    subcommands: [Mount.self, Restart.self, Status.self, Events.self, Serve.self, Supervise.self],
    defaultSubcommand: Mount.self)
}
