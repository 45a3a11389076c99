/// Every figure of a result, as tables.
struct Tables {
  let result: BenchmarkResult

  var html: [HTML] {
    let values = HTML.table(
      ["Workload", "Goal", "Ratio"] + names.map { HTML($0) }, result.workloads.map(row))
    return [.element("h3", [:], "Figures"), explanation, values] + servers + missing
      + [rounds, percentiles, walks, restarts, noise]
  }

  private var names: [String] { result.contenderNames }

  private var explanation: HTML {
    let what = names.first ?? "it"
    return .element(
      "p", [:],
      HTML(
        """
        Medians of the rounds, and under them the lowest and the highest round. A ratio is the value \
        of \(what) divided by that of the contender that is named: the median of the rounds' ratios.
        """))
  }

  // MARK: Values

  private func row(_ workload: Comparison) -> [HTML] {
    let title = HTML(
      [HTML(workload.title)] + (workload.threads.map { [HTML.hidden($0)] } ?? []))
    return [title, goal(workload), ratio(workload)]
      + names.map { name in
        workload.contenders.first { $0.name == name }.map { cell($0, workload.unit) } ?? ""
      }
  }

  private func cell(_ measured: Measured, _ unit: Unit) -> HTML {
    guard let spread = measured.spread else { return "failed" }
    return HTML([
      .figure(spread.median, Figure.text(spread.median, unit)),
      range(spread) { Figure.text($0, unit) },
    ])
  }

  private func range(_ spread: Spread, _ text: (Double) -> String) -> HTML {
    .element(
      "small", [:], .figure(spread.lowest, text(spread.lowest)), "…",
      .figure(spread.highest, text(spread.highest)))
  }

  private func ratio(_ workload: Comparison) -> HTML {
    guard let reference = workload.reference, let ratio = workload.ratio(to: reference) else {
      return ""
    }
    let text = { Figure.decimal($0, 2) }
    return HTML([
      .figure(ratio.median, text(ratio.median)), HTML(" × \(reference.name)"), range(ratio, text),
    ])
  }

  private func goal(_ workload: Comparison) -> HTML {
    guard let goal = workload.goal else { return "" }
    let limit = HTML.figure(goal.limit, Figure.text(goal, workload.unit))
    guard let reached = workload.reached else {
      return HTML([limit, .element("small", [:], "nothing to compare with")])
    }
    let isMet = goal.isMet(by: reached.median)
    let verdict = HTML.element(
      "strong", ["class": isMet ? "met" : "missed"], HTML(isMet ? " ✓ met" : " ✗ missed"))
    guard goal.measure == .difference else { return HTML([limit, verdict]) }
    let text = { Figure.reached($0, goal, workload.unit) }
    return HTML([
      limit, verdict,
      .element("small", [:], "difference ", .figure(reached.median, text(reached.median))),
      range(reached, text),
    ])
  }

  // MARK: What is behind them

  private var rounds: HTML {
    let rows = result.workloads.flatMap { workload in
      workload.contenders.map { contender in
        [
          HTML(workload.title), HTML(contender.name),
          list(
            contender.rounds.map { value in
              value.map { .figure($0, Figure.text($0, workload.unit)) } ?? "failed"
            }),
        ]
      }
    }
    return .details("Every round", [.table(["Workload", "Contender", "Rounds"], rows)])
  }

  private var percentiles: HTML {
    let rows = result.workloads.flatMap { workload in
      workload.contenders.compactMap { contender -> [HTML]? in
        guard let latency = contender.latency else { return nil }
        return [
          HTML(workload.title), HTML(contender.name),
          HTML([.figure(latency.count), HTML(" × \(latency.sample)")]),
          list(latency.points.map(point)),
        ]
      }
    }
    guard !rows.isEmpty else { return "" }
    return .details(
      "Percentiles of single operations",
      [.table(["Workload", "Contender", "Timed", "Percentiles"], rows)])
  }

  private func point(_ point: Latency.Point) -> HTML {
    HTML([
      .element("small", [:], .figure(point.percent, "\(Figure.plain(point.percent)) %")), " ",
      .figure(point.nanoseconds, Figure.time(Double(point.nanoseconds))),
    ])
  }

  private var restarts: HTML {
    guard !result.restarts.isEmpty else { return "" }
    return .details(
      "Every restart",
      [.element("p", [:], list(result.restarts.map { .figure($0, Figure.time(Double($0))) }))])
  }

  private var noise: HTML {
    let rows = [("before", result.noise.before), ("after", result.noise.after)].map { name, times in
      [HTML(name), list(times.map { .figure($0, Figure.time(Double($0))) })]
    }
    return .details(
      "The fixed piece of work, before and after the run",
      [.table(["When", "Repetitions"], rows)])
  }

  private func list(_ figures: [HTML]) -> HTML {
    HTML(figures.map { .element("span", ["class": "item"], $0) })
  }

  // MARK: Servers

  private var servers: [HTML] {
    guard !result.servers.isEmpty else { return [] }
    let rows = result.servers.map { server in
      [
        HTML(server.name), .figure(UInt64(server.descriptors)),
        .figure(server.kibibytes, Figure.bytes(Double(server.kibibytes) * 1024)),
        .element("code", [:], HTML(server.command.joined(separator: " "))),
        HTML(server.failures.joined(separator: "; ")),
      ]
    }
    return [
      .table(["Server", "Open descriptors", "Memory", "Command", "Failures"], rows)
    ]
  }

  private var walks: HTML {
    let walks = result.walks ?? []
    guard !walks.isEmpty else { return "" }
    let rows = walks.flatMap { walk in
      walk.points.map { point in
        [
          HTML(walk.name), .figure(UInt64(point.files)), .figure(UInt64(point.descriptors)),
          .figure(point.kibibytes, Figure.bytes(Double(point.kibibytes) * 1024)),
        ]
      }
    }
    return .details(
      "Every step of the walk",
      [.table(["Server", "Files listed", "Open descriptors", "Memory"], rows)])
  }

  private var missing: [HTML] { HTML.list("Not measured:", result.missing) }
}

extension HTML {
  /// Lists what is missing, and why; nothing if nothing is.
  static func list(_ title: String, _ missing: [Missing]) -> [HTML] {
    guard !missing.isEmpty else { return [] }
    let items = missing.map { element("li", [:], HTML("\($0.name): \($0.reason)")) }
    return [element("p", [:], HTML(title)), element("ul", [:], items)]
  }

  /// A value that the text beside it shows in words.
  fileprivate static func hidden(_ value: Int) -> HTML { element("data", ["value": "\(value)"]) }
}
