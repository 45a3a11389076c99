import ArgumentParser
import HandleStore
import SystemPackage

struct Backup: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copy a store as it is now, while it is in use.",
    discussion: """
      Writes a consistent copy, without free pages, to another directory. A server may go on writing. \
      The copy is a store like the original; the ids that it hands out are far above the original's, \
      so that none is ever given to two files.

        handlestore backup /var/lib/nodes /backup/nodes-$(date +%F)

      Exit codes: 0 fine; 3 the store cannot be used; 4 DEST is there already and not empty, or the \
      disk is full. There is no copy then.
      """)

  @OptionGroup var argument: StoreArgument
  @Argument(
    help: "Where to: a directory that is not there yet, or is empty.", completion: .directory)
  var dest: FilePath
  @OptionGroup var output: JSONOption

  func run() throws {
    try argument.readingAll { try $0.backup(to: dest) }
    var report = Report()
    report.add("copied to", .path(dest))
    try report.print(asJSON: output.json)
  }
}
