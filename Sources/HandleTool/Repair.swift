import ArgumentParser
import Formatting
import HandleStore

struct Repair: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a damaged store usable again.",
    discussion: """
      Copies everything that is provably intact into new data, and keeps the original in the \
      store's directory 'set-aside'. Nothing is deleted. No server may have the store open. A \
      sound store loses nothing by a repair.

        handlestore repair /var/lib/nodes

      If the record of a filesystem is lost, the command looks for the filesystem among the \
      mounted ones by the handles of its nodes (ext4 and XFS, as root), so mount it first. If it \
      is not found, its nodes are retired.

      Exit codes: 0 repaired, nothing is lost; 1 repaired, but nodes were set aside or retired, or \
      may be lost, and clients will find them stale; 3 the store cannot be repaired: there is \
      none, it is in use, or it has another version; 4 the disk is full (the repair needs space \
      for two more stores).
      """)

  @OptionGroup var argument: StoreArgument
  @OptionGroup var output: JSONOption

  func run() throws {
    let path = try argument.requireDirectory(
      instead: "restore a backup of the database, or use a standby")
    let repaired = try Store.repair(at: path)
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
      (mayBeLost, "other nodes may be lost: `state` counts ids that no node has"),
    ]
    let told = parts.filter { $0.0 > 0 }.map { "\(Text.grouped($0.0)) \($0.1)" }
    let why =
      lostFilesystems > 0
      ? "; the records of \(lostFilesystems) filesystems are lost; register their files again"
      : ""
    let newest =
      mayLackNewestCommit
      ? ["a meta page was damaged, so the changes of the last calls may be undone"] : []
    return (told + newest).joined(separator: ", ") + why
      + "; the original is kept; you can also restore a backup"
  }
}
