import ArgumentParser
import Formatting
import HandleStore
import SystemPackage

struct ExportAdd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Let clients reach a directory and everything below it.",
    discussion: """
      Adds an export to a store. Creates the store if there is none, and the keys with the first \
      export. Whatever is mounted below DIR is not part of the export. Several DIRs, each on a \
      filesystem of its own, make a layered export; name the upper layer first.

        handlestore export add /var/lib/nodes home /srv/home
        handlestore export add /var/lib/nodes images /srv/images --read-only
        handlestore export add /var/lib/nodes root /upper /lower

      The containment is how the export decides that a file is inside. By default the cheapest \
      exact way is chosen for each DIR: whole-filesystem, if DIR is the whole filesystem; kernel, \
      which asks the kernel through a private mount of DIR; or walk, which walks up the parent \
      directories and works everywhere. --containment cached remembers files that were found \
      inside, until something is renamed. It is cheaper, but it may miss a rename that has not \
      returned yet.

      If several servers share tokens, an export must have the same number on each: give --id the \
      number that was printed on the first server, and share the keys with 'key share'.

      Exit codes: 0 added; 2 the export is impossible: the name or number is taken, two DIRs are \
      on one filesystem, or the store lies in a DIR, where clients would reach its keys; 3 the \
      store cannot be used, for example because a server has it open; 4 not permitted (run as \
      root), disk full, no file handles on a DIR's filesystem, or the containment is not available \
      there.
      """)

  @OptionGroup var argument: StoreArgument
  @Argument(help: "The export's name: one line of 1 to 255 bytes.")
  var name: String
  @Argument(
    help: ArgumentHelp(
      "The root directory. For a layered export, name the upper layer first.", valueName: "dir"),
    completion: .directory)
  var dirs: [FilePath]
  @Flag(help: "Clients cannot open files for writing or create files.")
  var readOnly = false
  @Option(help: "How to decide that a file is inside. The default is the cheapest exact way.")
  var containment: Containment?
  @Option(
    help: ArgumentHelp(
      "The export's number in hexadecimal, if another server has the export already. The default "
        + "is a random number.",
      valueName: "hex"))
  var id: ExportID?
  @OptionGroup var output: JSONOption

  func run() throws {
    try withDirectories(dirs) { roots in
      for (dir, root) in zip(dirs, roots) {
        _ = try foundDirectory(root, at: dir)
        try requireStore(outside: root, dir)
      }
      try argument.making(StoreOptions()) { store in
        let export = try store.addExport(
          name, roots: roots, isReadOnly: readOnly, containment: containment, id: id)
        try ExportFigures(added: export, in: store).print(asJSON: output.json)
      }
    }
  }

  private func requireStore(outside root: FileDescriptor, _ dir: FilePath) throws {
    guard let path = argument.directory else { return }
    // The store's directory, or the parent in which it will be made.
    let above = path.removingLastComponent()
    guard
      let start = (try? openDirectory(path))
        ?? (try? openDirectory(above.isEmpty ? "." : above))
    else { return }
    guard try start.closeAfter({ try !isDirectory(start, in: root) }) else {
      throw ValidationError(
        "the store lies in \(Text.path(dir)), so clients would reach its keys; put it outside "
          + "the export")
    }
  }
}
