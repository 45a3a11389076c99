import ArgumentParser
import HandleStore

struct Prune: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Drop stale nodes by age or number.",
    discussion: """
      The store keeps a stale node so that it can tell clients that the node's file is gone. A \
      dropped node is unknown, and clients get the same answer for it. Its id is never used again. \
      You say by age or by number which nodes to drop; live nodes always stay. A node becomes \
      stale when a server or 'verify --retire' finds that its file is gone.

        handlestore prune /var/lib/nodes --older-than 7d
        handlestore prune /var/lib/nodes --keep 100000

      Exit codes: 0 success, also if there was nothing to drop; 2 neither or both of the options; \
      3 the store cannot be used, for example because a server has it open; 4 the disk is full.
      """)

  @OptionGroup var argument: StoreArgument
  @Option(
    help: ArgumentHelp(
      "Drop nodes that have been stale for this long: a number and s, m, h, d or w, such as 7d.",
      valueName: "age"))
  var olderThan: Age?
  @Option(
    help: ArgumentHelp(
      "Keep this many stale nodes, those with the highest ids; drop the others.",
      valueName: "number"))
  var keep: Int?
  @OptionGroup var output: JSONOption

  func validate() throws {
    guard (olderThan == nil) != (keep == nil) else {
      throw ValidationError("Give either --older-than or --keep to say which nodes to drop.")
    }
    guard keep ?? 0 >= 0 else { throw ValidationError("--keep takes 0 or more.") }
  }

  func run() throws {
    let dropped = try argument.writing { store in
      try store.evict(stale: olderThan.map { .seconds($0.seconds) } ?? .nodes(keep ?? .max))
    }
    var report = Report()
    report.add("dropped", dropped)
    try report.print(asJSON: output.json)
  }
}

/// A span of time as typed: `90s`, `15m`, `12h`, `7d`, `2w`.
struct Age: ExpressibleByArgument {
  let seconds: UInt32

  init?(argument: String) {
    let units: [Character: UInt32] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
    guard let unit = argument.last.flatMap({ units[$0] }),
      let number = UInt32(argument.dropLast())
    else { return nil }
    let (seconds, overflows) = number.multipliedReportingOverflow(by: unit)
    guard !overflows else { return nil }
    self.seconds = seconds
  }
}
