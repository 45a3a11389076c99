import ArgumentParser
import HandleStore
import SystemPackage

struct Index: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Register every file of a directory tree.",
    discussion: """
      Walks DIR and gives each file in it a node. Creates the store if there is none. Files that \
      the store knows keep their nodes, so a second run creates nothing. The walk stays on the \
      mount of DIR: if something else is mounted on a name, the name is skipped and counted. The \
      walk holds one directory open at a time, which it opens by its file handle, and needs little \
      memory for a tree of any size.

        handlestore index /var/lib/nodes /srv/export

      Figures: created, existing and replaced count the nodes of the files that were found \
      (replaced: the inode number belonged to another file before, and the node of that file is \
      stale now); spilled counts files with a handle of more than 24 bytes; skipped counts names \
      on other mounts, and the store itself; refused counts names for which no handle could be \
      made, for example because the file vanished meanwhile.

      Exit codes: 0 success; 1 something was refused; 3 the store cannot be used, for example \
      because a server has it open; 4 not permitted, disk full, or no file handles on this \
      filesystem.
      """)

  @OptionGroup var argument: StoreArgument
  @Argument(help: "The directory to walk.", completion: .directory)
  var dir: FilePath
  @Option(
    help: """
      What the registrations survive: 'process', that this command is killed; 'power', a power cut \
      too.
      """)
  var durability = Durability.process
  @OptionGroup var output: JSONOption

  func run() throws {
    let root = try openDirectory(dir)
    let counts = try root.closeAfter {
      let found = try foundDirectory(root, at: dir)
      try requireOther(than: root)
      return try argument.making(StoreOptions(durability: durability)) { store in
        var indexer = try TreeIndexer(
          into: store, at: argument.directory, root: root, found: found)
        try indexer.run()
        return indexer.counts
      }
    }
    try counts.report.print(asJSON: output.json)
    guard counts.refused == 0 else { throw FindingExit() }
  }

  private func requireOther(than root: FileDescriptor) throws {
    guard let path = argument.directory, let store = try? openDirectory(path) else { return }
    let (own, walked) = try store.closeAfter {
      try (FileStatus(of: store), FileStatus(of: root))
    }
    guard !own.isOfSameFile(as: walked) else {
      throw ValidationError("DIR is the directory of the store itself; name another one")
    }
  }
}
