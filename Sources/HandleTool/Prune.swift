import ArgumentParser
import HandleStore

struct Prune: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Drop stale nodes that are no longer needed.",
    discussion: """
      A stale node is kept so that whoever still asks for it is told that its file is gone. Dropped, \
      it is an unknown node, which a client is told in the same way; its id is never used again. Say \
      by age or by number which are dropped; live nodes always stay. Nodes become stale when a \
      server finds them so, or by 'verify --retire'.

        handlestore prune /var/lib/nodes --older-than 7d
        handlestore prune /var/lib/nodes --keep 100000

      Exit codes: 0 fine, also where there was nothing to drop; 2 neither or both of the options; 3 \
      the store cannot be used, for example because a server has it open; 4 the disk is full.
      """)

  @OptionGroup var argument: StoreArgument
  @Option(
    help: ArgumentHelp(
      "Drop those that have been stale for this long: a number and s, m, h, d or w, such as 7d.",
      valueName: "age"))
  var olderThan: Age?
  @Option(
    help: ArgumentHelp("Keep this many, the newest ids; drop the others.", valueName: "number"))
  var keep: Int?
  @OptionGroup var output: JSONOption

  func validate() throws {
    guard (olderThan == nil) != (keep == nil) else {
      throw ValidationError("Give one of --older-than and --keep, to say which nodes may go.")
    }
    guard keep ?? 0 >= 0 else { throw ValidationError("--keep takes 0 or more.") }
  }

  func run() throws {
    let dropped = try argument.changing { store in
      try store.prune(olderThan.map { .seconds($0.seconds) } ?? .nodes(keep ?? .max))
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
