import ArgumentParser
import CHandleStore
import Glibc
import SystemPackage

/// The command `handlestore`: works on a store of file handles from a shell.
@main
struct HandleStoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "handlestore",
    abstract: "Fills, inspects and maintains a store of file handles.",
    discussion: """
      For every file that a file server has shown to a client, a store keeps the node id that the \
      client got and the kernel's file handle. By its handle the server finds the file again, \
      whatever its path is now, and holds no open descriptor for it.

        handlestore index /var/lib/nodes /srv/export
        handlestore dump /var/lib/nodes | head
        handlestore open /var/lib/nodes 17

      An export lets clients reach a directory through signed tokens.

        handlestore export add /var/lib/nodes home /srv/home
        handlestore decode /var/lib/nodes home TOKEN

      Opening files by their handles needs root (CAP_DAC_READ_SEARCH).

      STORE is a directory, or shared:CONNECTION for a store in a PostgreSQL database, which several \
      hosts use at the same time. CONNECTION is a connection string of libpq. Other users can see it \
      in the list of processes: leave passwords to PGPASSFILE or a service file.

        handlestore dump shared:service=nodes | head

      \(ToolExit.table)

      Completion for your shell (bash, zsh or fish):

        source <(handlestore --generate-completion-script bash)
      """,
    version: "handlestore \(HS_VERSION)",
    groupedSubcommands: [
      CommandGroup(
        name: "Everyday", subcommands: [Index.self, Open.self, Dump.self, Stat.self]),
      CommandGroup(
        name: "Maintenance",
        subcommands: [
          Verify.self, Prune.self, Check.self, Repair.self, Backup.self,
        ]),
      CommandGroup(
        name: "Exports",
        subcommands: [ExportCommand.self, TokenCommand.self, Decode.self, KeyCommand.self]),
      CommandGroup(name: "Several hosts", subcommands: [SharedCommand.self]),
      CommandGroup(name: "Filesystem", subcommands: [Probe.self]),
    ])

  /// Opens each of the descriptors 0…2 that the caller has closed. Otherwise a file of the store
  /// could get that number, and output would go into it.
  private static func openStandardStreams() {
    while let opened = try? FileDescriptor.open(FilePath("/dev/null"), .readWrite) {
      guard opened.rawValue > 2 else { continue }
      try? opened.close()
      return
    }
  }

  /// Explains what ArgumentParser would call an unexpected or a missing argument.
  private static func requireCommand(_ arguments: ArraySlice<String>) throws {
    // Such an argument would name another file than the one that was meant.
    if let argument = arguments.first(where: { $0.unicodeScalars.contains("\u{FFFD}") }) {
      throw ValidationError("'\(argument)' is not UTF-8; use names that are")
    }
    var command: any ParsableCommand.Type = Self.self
    for argument in arguments {
      let subcommands =
        command.configuration.groupedSubcommands.flatMap(\.subcommands)
        + command.configuration.subcommands
      if subcommands.isEmpty || argument.hasPrefix("-") || argument == "help" { break }
      guard let next = subcommands.first(where: { $0._commandName == argument }) else {
        let help =
          command == Self.self ? "" : "; see handlestore \(command._commandName) --help"
        throw ValidationError("unknown command '\(argument)'\(help)")
      }
      command = next
    }
    if let negative = arguments.first(where: { $0.hasPrefix("-") && Int64($0) != nil }) {
      throw ValidationError(
        "'\(negative)' is neither a node id nor a count; both are 0 or more")
    }
  }

  /// Like `ParsableCommand.main`, but with this tool's exit codes.
  static func main() {
    // Turn SIGPIPE into EPIPE, for readers that exit early, as `head` does.
    signal(SIGPIPE, SIG_IGN)
    // Turn SIGXFSZ into EFBIG, for a limit on the size of files.
    signal(SIGXFSZ, SIG_IGN)
    openStandardStreams()
    do {
      try requireCommand(CommandLine.arguments.dropFirst())
      var command = try parseAsRoot()
      try command.run()
    } catch {
      ToolExit(error).leave()
    }
  }
}
