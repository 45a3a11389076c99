import ArgumentParser

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Say which subtrees clients may reach.",
    discussion: """
      An export is a directory with all that is below it on its filesystem. Clients name its files by \
      tokens, and a file that is not in it at that moment is refused.

        handlestore export add /var/lib/nodes home /srv/home
        handlestore export list /var/lib/nodes
        handlestore token /var/lib/nodes home report.txt

      Exit codes: 0 fine; 2 there cannot be such an export; 3 the store cannot be used, or has no \
      export of the name; 4 not permitted, disk full, or no file handles on a filesystem.
      """,
    subcommands: [ExportAdd.self, ExportList.self, ExportRemove.self])
}
