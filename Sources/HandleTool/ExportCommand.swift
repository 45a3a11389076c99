import ArgumentParser

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Manage the directories that clients may reach.",
    discussion: """
      An export is a directory with everything below it on the same filesystem. Clients name its \
      files by tokens. A file that is not in the export at that moment is refused.

        handlestore export add /var/lib/nodes home /srv/home
        handlestore export list /var/lib/nodes
        handlestore token /var/lib/nodes home report.txt

      Exit codes: 0 success; 2 the export is impossible; 3 the store cannot be used, or has no \
      export of that name; 4 not permitted, disk full, or no file handles on a filesystem.
      """,
    subcommands: [ExportAdd.self, ExportList.self, ExportRemove.self])
}
