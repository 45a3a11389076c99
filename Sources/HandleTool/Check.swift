import ArgumentParser
import Formatting
import HandleStore

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check a whole store and report what is wrong.",
    discussion: """
      Reads every page and every record, without trusting any of them, and compares the index with \
      the nodes. The store is not changed, and a server may write meanwhile. Prints one line per \
      finding. With --json, prints one object per line, the figures last.

        handlestore check /var/lib/nodes || handlestore repair /var/lib/nodes

      Exit codes: 0 the store is sound; 1 it is damaged: see 'repair'; 3 it cannot be checked: \
      there is no store, or it has another version.
      """)

  @OptionGroup var argument: StoreArgument
  @Option(
    help: ArgumentHelp(
      "Print at most this many findings; all are counted.", valueName: "number"))
  var findings = 1000
  @OptionGroup var json: JSONOption

  func validate() throws {
    guard findings > 0 else { throw ValidationError("--findings takes 1 or more.") }
  }

  func run() throws {
    let path = try argument.requireDirectory(
      instead: "the database's own tools check it, such as pg_amcheck")
    let checked = try Store.check(at: path, findings: findings)
    var output = Output()
    for finding in checked.findings {
      if json.json {
        try output.line { finding.json.append(to: &$0) }
      } else {
        try output.line("\(finding.kind.rawValue): \(finding.description)")
      }
    }
    try checked.report.print(asJSON: json.json, to: &output)
    try output.flush()
    guard checked.isSound else {
      let count = checked.findingCount
      throw FindingExit(
        message:
          "the store is damaged: \(Text.grouped(count)) \(count == 1 ? "finding" : "findings"); "
          + "run `handlestore repair` on it, which keeps the original")
    }
  }
}

extension CheckReport {
  fileprivate var report: Report {
    var report = Report()
    report.add("sound", .flag(isSound))
    report.add("findings", findingCount)
    report.add("nodes", nodes)
    report.add("live", live)
    report.add("stale", stale)
    report.add("aliases", aliases)
    report.add("index entries", indexEntries)
    report.add("spilled handles", spilled)
    report.add("watches", watches)
    report.add("limbo", limbo)
    report.add("filesystems", filesystems)
    report.add("pages", pages)
    report.add("free pages", freePages)
    return report
  }
}

extension HandleStore.Finding {
  fileprivate var json: JSON {
    .object([
      ("kind", .string(kind.rawValue)), ("page", page.map { .number(UInt64($0)) } ?? .null),
      ("node", node.map { .number($0.rawValue) } ?? .null), ("finding", .string(description)),
    ])
  }
}
