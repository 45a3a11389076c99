internal import ArgumentParser

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
    discussion: """
      `handlefs help mount` describes a mount and its options. If the program is called \
      mount.handlefs or mount.fuse.handlefs, it is the helper of mount(8).

      \(CommandExit.table)
      """,
    subcommands: [
      Mount.self, Restart.self, Status.self, Events.self, Serve.self, Supervise.self, Mend.self,
    ],
    defaultSubcommand: Mount.self)

  static func main() {
    Processes.openStandard()
    if MountHelper.isCalled { MountHelper.runAsCalled() }
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      CommandExit(error).leave()
    }
  }
}
