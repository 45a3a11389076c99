import ArgumentParser
import HandleStore
import SystemPackage

struct ExportAdd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Let clients reach a directory and all that is below it.",
    discussion: """
      Adds an export to a store, and makes the store where there is none. What is mounted below DIR is \
      not in the export. Several DIRs, each on a filesystem of its own, make a layered export, the \
      upper one first. The first export of a store makes its keys.

        handlestore export add /var/lib/nodes home /srv/home
        handlestore export add /var/lib/nodes images /srv/images --read-only
        handlestore export add /var/lib/nodes root /upper /lower

      How files are kept in a DIR, the containment, is chosen for each unless --containment says it: \
      whole-filesystem where DIR is all of its filesystem; kernel, which asks a private mount of DIR; \
      walk, which goes up the directories and needs nothing. These are exact. cached, which remembers \
      what was found inside until something is renamed, is cheaper, and may not know yet of a rename \
      that is being done.

      Servers that share tokens give an export the same number: --id, with the id that was printed \
      for it on the first one, and 'key share'.

      Exit codes: 0 added; 2 there cannot be such an export: the name or number is taken, two DIRs are \
      on one filesystem, or the store lies in a DIR, where clients would reach its keys; 3 the store \
      cannot be used, for example because a server has it open; 4 not permitted (run as root), disk \
      full, no file handles on a DIR's filesystem, or the containment cannot be had there.
      """)

  @OptionGroup var argument: StoreArgument
  @Argument(help: "What the export is to be called: one line of 1 to 255 bytes.")
  var name: String
  @Argument(
    help: ArgumentHelp("Its root; of a layered export the upper one first.", valueName: "dir"),
    completion: .directory)
  var dirs: [FilePath]
  @Flag(help: "Open nothing in it for writing, and create nothing.")
  var readOnly = false
  @Option(help: "How to keep files in it; by default the cheapest exact way.")
  var containment: Containment?
  @Option(
    help: ArgumentHelp(
      "Its number, in hexadecimal, where another server has it already; by default a random one.",
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
    // The store's directory, or the parent in which it will be made.
    let above = argument.store.removingLastComponent()
    guard
      let start = (try? openDirectory(argument.store))
        ?? (try? openDirectory(above.isEmpty ? "." : above))
    else { return }
    guard try start.closeAfter({ try !isDirectory(start, in: root) }) else {
      throw ValidationError(
        "the store lies in \(Text.path(dir)), so clients would reach its keys; keep it outside of "
          + "what is exported")
    }
  }
}
