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

      Exit codes: 0 repaired, nothing lost; 1 repaired, and nodes were set aside or retired, which \
      clients will find stale; 3 the store cannot be repaired: none there, in use, of another \
      version; 4 the disk is full (space for two more stores is needed).
      """)

  @OptionGroup var argument: StoreArgument
  @OptionGroup var output: JSONOption

  func run() throws {
    let repaired = try Store.repair(at: argument.store)
    var report = Report()
    report.add("kept", repaired.kept)
    report.add("set aside", repaired.setAside)
    report.add("retired", repaired.retired)
    report.add("original", repaired.original.map { .text(Text.path($0)) } ?? .unknown)
    report.add("original state", repaired.originalState.map { .text(Text.path($0)) } ?? .unknown)
    try report.print(asJSON: output.json)
    guard repaired.setAside == 0 && repaired.retired == 0 else { throw FindingExit() }
  }
}
