internal import ArgumentParser

@main
struct HandleFS: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "handlefs",
    abstract: "Show a directory in another place, by a server that may be killed.",
    subcommands: [Mount.self, Serve.self, Supervise.self],
    defaultSubcommand: Mount.self)
}
