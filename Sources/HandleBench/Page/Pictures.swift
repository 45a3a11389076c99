/// The plots of one result, in groups with a heading.
struct Pictures {
  private let result: BenchmarkResult
  private let order: [String]

  init(_ result: BenchmarkResult) {
    self.result = result
    order = result.contenderNames
  }

  var groups: [(title: String, plots: [Plot])] {
    [
      ("At a glance", overview), ("Sizes", sizes), ("Threads", threads), ("Servers", servers),
      ("A walk through files", walks), ("Restarts", restarts), ("Latencies", latencies),
    ].filter { !$0.1.isEmpty }
  }

  private var overview: [Plot] {
    let units: [Unit] = [.nanoseconds, .operationsPerSecond, .runsPerSecond]
    return [Plot.goals(result.workloads)].compactMap(\.self)
      + units.compactMap { Plot.values(result.workloads, $0, order) }
  }

  private var sizes: [Plot] {
    result.workloads.filter { $0.unit == .bytes }.map { workload in
      Plot.sizes(
        workload.title, caption: workload.goal == nil ? "" : "The line is the goal.",
        workload.contenders.compactMap { contender in
          contender.middle.map { (contender.name, $0) }
        }, limit: workload.goal?.measure == .value ? workload.goal?.limit : nil)
    }
  }

  private var threads: [Plot] {
    Dictionary(grouping: result.workloads.filter { $0.threads != nil }, by: \.name)
      .filter { Set($0.value.compactMap(\.threads)).count > 2 }.sorted { $0.key < $1.key }
      .map { name, rows in Plot.threads(name, rows[0].unit, lines(rows)) }
  }

  /// A line for each contender, through its values with several numbers of threads.
  private func lines(_ rows: [Comparison]) -> [Plot.Line] {
    order.enumerated().compactMap { series, name in
      let points = rows.compactMap { row -> (x: Double, y: Double)? in
        let middle = row.contenders.first { $0.name == name }?.middle
        guard let threads = row.threads, let middle, middle > 0 else { return nil }
        return (Double(threads), middle)
      }
      return points.count < 2
        ? nil : Plot.Line(series: series, name: name, points: points.sorted { $0.x < $1.x })
    }
  }

  private var servers: [Plot] {
    let known = result.servers.filter { $0.kibibytes > 0 }
    guard !known.isEmpty else { return [] }
    return [
      Plot.sizes(
        "Memory", caption: "The most that a server used.",
        known.map { ($0.name, Double($0.kibibytes) * 1024) }),
      Plot.bars(
        "Open descriptors", caption: "The most that a server had.",
        known.map { ($0.name, Double($0.descriptors)) }, label: Figure.count),
    ]
  }

  private var walks: [Plot] {
    let walks = result.walks ?? []
    func lines(_ value: (Walk.Point) -> Double) -> [Plot.Line] {
      walks.map { walk in
        let points = walk.points.map { (x: Double($0.files), y: value($0)) }
        return Plot.Line(
          series: order.firstIndex(of: walk.name) ?? 0, name: walk.name,
          points: points.filter { $0.y > 0 })
      }.filter { $0.points.count > 1 }
    }
    return [
      Plot.walk("Memory", lines { Double($0.kibibytes) / 1024 }) { "\(Figure.plain($0)) MiB" },
      Plot.walk("Open descriptors", lines { Double($0.descriptors) }) { Figure.count($0) },
    ].compactMap(\.self)
  }

  private var restarts: [Plot] {
    let plot = Plot.histogram(
      "From kill to the next reply", caption: "How many of the kills took how long.",
      result.restarts)
    return [plot].compactMap(\.self)
  }

  private var latencies: [Plot] { result.workloads.compactMap { Plot.latencies($0, order) } }
}
