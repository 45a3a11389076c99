internal import ArgumentParser
internal import CHandleStore

@main
struct HandleFS: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "handlefs",
    abstract: "Show a directory in another place, with a FUSE server that may be killed.",
    usage: """
      handlefs SOURCE MOUNTPOINT --store DIR [options]
      handlefs SOURCE MOUNTPOINT --shared CONNECTION [options]
      handlefs restart MOUNTPOINT
      handlefs status MOUNTPOINT
      handlefs events MOUNTPOINT [PATH...]
      """,
    discussion: """
      `handlefs help mount` describes a mount and its options. If the program is called \
      mount.handlefs or mount.fuse.handlefs, it is the helper of mount(8).

      \(CommandExit.table)
      """,
    version: "handlefs \(HS_VERSION)",
    subcommands: [
      Mount.self, Restart.self, Status.self, Events.self, Serve.self, Supervise.self, Mend.self,
      Draw.self,
    ],
    defaultSubcommand: Mount.self)

  /// The arguments of the program. As for `mount(8)`, a list of options may follow `-o` without a
  /// blank.
  static var arguments: [String] {
    CommandLine.arguments.dropFirst().flatMap {
      $0.hasPrefix("-o") && $0.count > 2 ? ["-o", String($0.dropFirst(2))] : [$0]
    }
  }

  /// Refuses an argument that is not UTF-8: it would name another file than the one that was meant.
  static func requireText(_ arguments: [String]) throws {
    guard let argument = arguments.first(where: { $0.unicodeScalars.contains("\u{FFFD}") }) else {
      return
    }
    throw CommandError("'\(argument)' is not UTF-8; use names that are", .usage)
  }

  /// Returns the command that the arguments ask for.
  private static func command(_ arguments: [String]) throws -> any ParsableCommand {
    // Programs wait for a server that is started again, and without the other commands, parsing takes
    // less time.
    guard arguments.first == Serve._commandName else { return try parseAsRoot(arguments) }
    return try Serve.parse(Array(arguments.dropFirst()))
  }

  static func main() {
    Processes.openStandard()
    if MountHelper.isCalled { MountHelper.runAsCalled() }
    do {
      try requireText(arguments)
      var command = try command(arguments)
      try command.run()
    } catch {
      CommandExit(error).leave()
    }
  }
}
