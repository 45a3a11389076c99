import ArgumentParser
import HandleStore
import PostgresNodeIndex
import SystemPackage

struct SharedName: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "name",
    abstract: "Give a filesystem a name, by which all hosts know it.",
    discussion: """
      Hosts may mount one cluster filesystem from different sources, or see it under different ids. The \
      store would take it for several filesystems, and give its files several nodes. Run this once on \
      each host, before anything else uses the store there: the first time the store learns the name, \
      and from then on that what is mounted on DIR is the filesystem of that name. It compares the root \
      directory's handle and birth time, and refuses another filesystem.

        handlestore shared name service=nodes /mnt/projects projects

      If a host has used the store before, its files get other nodes now.

      Exit codes: 0 the filesystem has the name; 2 the name belongs to another filesystem, or the \
      filesystem has another name; 3 there is no store in the database; 4 not permitted (run as root), no \
      file handles on DIR's filesystem, or the database cannot be reached, or it refused.
      """)

  @OptionGroup var argument: ConnectionArgument
  @Argument(
    help: ArgumentHelp("A directory of the filesystem.", valueName: "dir"), completion: .directory)
  var dir: FilePath
  @Argument(help: "The name, 1 to 64 bytes.")
  var name: String
  @OptionGroup var output: JSONOption

  func run() throws {
    let filesystem = try withDirectories([dir]) { directories in
      _ = try foundDirectory(directories[0], at: dir)
      return try argument.writing { try $0.attach(directories[0], named: name) }
    }
    var report = Report()
    report.add("filesystem", UInt64(filesystem.rawValue))
    report.add("name", name)
    try report.print(asJSON: output.json)
  }
}
