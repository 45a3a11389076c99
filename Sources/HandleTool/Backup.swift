import ArgumentParser
import HandleStore
import SystemPackage

struct Backup: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copy a store, also while it is in use.",
    discussion: """
      Writes a consistent copy, without free pages, to another directory. A server may write to \
      the store meanwhile. The copy is a store like the original. It hands out ids far above those \
      of the original, so no id is ever given to two files.

        handlestore backup /var/lib/nodes /backup/nodes-$(date +%F)

      Exit codes: 0 success; 3 the store cannot be used; 4 DEST exists and is not empty, or the \
      disk is full. If the command fails, there is no copy.
      """)

  @OptionGroup var argument: StoreArgument
  @Argument(
    help: "The directory for the copy. It must not exist or must be empty.", completion: .directory)
  var dest: FilePath
  @OptionGroup var output: JSONOption

  func run() throws {
    _ = try argument.requireDirectory(
      instead: "back the database up with its own tools, such as pg_basebackup, or copy the store "
        + "into a directory with handlestore shared export")
    try argument.readingAll { try $0.backup(to: dest) }
    var report = Report()
    report.add("copied to", .path(dest))
    try report.print(asJSON: output.json)
  }
}
