import ArgumentParser
import HandleStore

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Open every node and report the stale ones.",
    discussion: """
      Opens the file of each live node by its handle and closes it again, and prints each node \
      that is stale. With --retire, the command also marks these nodes as stale in the store. A \
      server then reports them as stale without asking the filesystem, and 'prune' can drop them. \
      Nodes on a filesystem that is not mounted are not checked and do not count as stale.

        handlestore verify /var/lib/nodes
        handlestore verify /var/lib/nodes --retire && handlestore prune /var/lib/nodes --older-than 7d

      With --json, prints one object per stale node, the figures last.

      Exit codes: 0 each node that was checked opens; 1 a node was found stale (also with \
      --retire) or could not be opened for another reason; 3 the store cannot be used (with \
      --retire, also if a server has it open); 4 not permitted (run as root).
      """)

  @OptionGroup var argument: StoreArgument
  @Flag(help: "Mark the stale nodes as stale in the store.")
  var retire = false
  @OptionGroup var json: JSONOption

  func run() throws {
    let counts = retire ? try argument.writing(verify) : try argument.readingAll(verify)
    guard counts.isFine else { throw FindingExit() }
  }

  private func verify(_ store: Store) throws -> VerifyCounts {
    _ = try store.attachMounted()
    var verification = Verification(store, asJSON: json.json)
    return try verification.run(retired: retire)
  }
}

/// The counts of a verification so far.
struct VerifyCounts {
  var present = 0
  var stale = 0
  var failed = 0
  var notChecked = 0
  var staleBefore = 0

  var isFine: Bool { stale == 0 && failed == 0 }

  func report(retired: Bool) -> Report {
    var report = Report()
    report.add("present", present)
    report.add("stale", stale)
    report.add("retired", retired ? stale : 0)
    report.add("failed", failed)
    report.add("not checked", notChecked)
    report.add("stale before", staleBefore)
    return report
  }
}
