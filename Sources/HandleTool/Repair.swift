import ArgumentParser
import HandleStore

struct Repair: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a damaged store usable again.",
    discussion: """
      Puts what can be proved intact into new data, and keeps the original in the store's directory \
      'set-aside': nothing is deleted. No server may have the store open. A sound store answers \
      afterwards as before.

        handlestore repair /var/lib/nodes

      Where the record of a filesystem is lost, the filesystem is looked for among the mounted ones by \
      the handles of its nodes (ext4 and XFS, as root); mount it before. Else its nodes are retired.

      Exit codes: 0 repaired, nothing lost; 1 repaired, and nodes were set aside or retired, or may be \
      lost, which clients will find stale; 3 the store cannot be repaired: none there, in use, of another \
      version; 4 the disk is full (space for two more stores is needed).
      """)

  @OptionGroup var argument: StoreArgument
  @OptionGroup var output: JSONOption

  func run() throws {
    let repaired = try Store.repair(at: argument.store)
    var report = Report()
    report.add("kept", repaired.kept)
    report.add("set aside", repaired.setAside)
    report.add("may be lost", repaired.mayBeLost)
    report.add("retired", repaired.retired)
    report.add("may lack newest commit", .flag(repaired.mayLackNewestCommit))
    report.add("lost filesystems", repaired.lostFilesystems)
    report.add("found filesystems", repaired.foundFilesystems)
    report.add("original", repaired.original.map { .path($0) } ?? .unknown)
    report.add("original state", repaired.originalState.map { .path($0) } ?? .unknown)
    try report.print(asJSON: output.json)
    guard repaired.isWithoutLoss else { throw FindingExit(message: repaired.loss) }
  }
}

extension RepairReport {
  /// What is lost, in a sentence.
  fileprivate var loss: String {
    let parts = [
      (setAside, "nodes could not be read"), (retired, "nodes are stale now"),
      (mayBeLost, "other nodes may be lost: `state` knows of so many ids and not of which files"),
    ]
    let told = parts.filter { $0.0 > 0 }.map { "\(Text.grouped($0.0)) \($0.1)" }
    let why =
      lostFilesystems > 0
      ? "; the records of \(lostFilesystems) filesystems are lost, and what is on them has to be "
        + "registered again"
      : ""
    let newest =
      mayLackNewestCommit
      ? ["a meta page was damaged, so what the last calls changed may be undone"] : []
    return (told + newest).joined(separator: ", ") + why
      + "; the original is kept, or restore a backup"
  }
}
