import Formatting
import Foundation

/// The machine of a result, how noisy it was, and the goals that are missed.
struct Summary {
  let result: BenchmarkResult
  let number: Int

  var html: HTML {
    .element(
      "article", [:],
      .element("h2", [:], .element("a", ["href": "#result-\(number)"], HTML(result.heading))),
      goals, noise, build, facts)
  }

  private var goals: HTML {
    let missed = result.workloads.filter { $0.isMet == false }
    let known = result.workloads.count { $0.isMet != nil }
    guard known > 0 else { return .element("p", [:], "No goal to compare with.") }
    let head = "\(known - missed.count) of \(known) goals met."
    guard !missed.isEmpty else { return .element("p", ["class": "met"], HTML("✓ " + head)) }
    let items = missed.map { workload in HTML.element("li", [:], HTML(workload.title)) }
    return .element(
      "div", [:], .element("p", ["class": "missed"], HTML("✗ \(head) Missed:")),
      .element("ul", [:], items))
  }

  private var noise: HTML {
    let noise = result.noise
    let mark =
      noise.isNoisy
      ? HTML.element(
        "strong", ["class": "missed"], "✗ Noisy machine: do not trust small differences. ")
      : HTML.element("strong", ["class": "met"], "✓ Quiet machine. ")
    return .element(
      "p", [:], mark, "A fixed piece of work varied by ",
      .figure(noise.shownSpread, "\(Figure.decimal(noise.spreadPercent, 1)) %"),
      ", and its median changed by ",
      .figure(noise.shownDrift, "\(Figure.decimal(noise.driftPercent, 1)) %"),
      " over the run; above ", .figure(Noise.limit, "\(Figure.plain(Noise.limit)) %"),
      ", a machine counts as noisy.")
  }

  private var build: HTML {
    guard !result.isOptimised else { return "" }
    return .element(
      "p", [:],
      .element("strong", ["class": "missed"], "✗ Debug build: the figures say nothing."))
  }

  private var facts: HTML {
    let machine = result.machine
    let virtual = machine.isVirtual ? " (virtual)" : ""
    let rows: [(String, [HTML])] = [
      (
        "Processor",
        [
          .figure(machine.processors, "\(machine.processors)"),
          HTML(" × \(machine.processor)\(virtual)"),
        ]
      ),
      ("Memory", [.figure(machine.memoryBytes, Figure.bytes(Double(machine.memoryBytes)))]),
      ("Kernel", [HTML("Linux \(machine.kernel)")]),
      ("Filesystem", [HTML(machine.filesystem)]),
      (
        "Software",
        [HTML(machine.software.map { "\($0.name) \($0.version)" }.joined(separator: ", "))]
      ),
      ("Begun", [HTML(result.date.formatted(.iso8601))]),
      ("Run", [HTML("handlebench \(result.benchmark) \(result.version)")]),
      ("Options", [HTML(result.optionsText)]),
    ]
    return .element(
      "dl", [:],
      rows.flatMap { name, value in
        [HTML.element("dt", [:], HTML(name)), HTML.element("dd", [:], value)]
      })
  }
}

extension BenchmarkResult {
  /// What was measured, in a few words.
  var heading: String {
    switch benchmark {
    case "run":
      let nodes = nodes.map(Text.grouped) ?? "some"
      return "A store of \(nodes) nodes"
    case "fs": return "HandleFS beside other servers"
    case "shared": return "A store that gateways share"
    default: return benchmark
    }
  }

  /// The names of all contenders, in the order in which they first come.
  var contenderNames: [String] { workloads.flatMap { $0.contenders.map(\.name) }.uniqued() }
}
