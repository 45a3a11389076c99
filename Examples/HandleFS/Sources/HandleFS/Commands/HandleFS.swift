internal import ArgumentParser
internal import CHandleStore

@main
struct HandleFS: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "handlefs",
    abstract: "Show a directory in another place, with a FUSE server that may be killed.",
    usage: """
      handlefs SOURCE MOUNTPOINT --store DIR [options]
      handlefs restart MOUNTPOINT
      handlefs status MOUNTPOINT
      handlefs events MOUNTPOINT [PATH...]
      """,
    discussion: "`handlefs help mount` describes a mount and its options.",
    version: "handlefs \(HS_VERSION)",
    subcommands: [
      Mount.self, Restart.self, Status.self, Events.self, Serve.self, Supervise.self, Mend.self,
    ],
    defaultSubcommand: Mount.self)
}
