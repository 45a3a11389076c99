/// How workloads grow with the nodes, over the results of `handlebench run` with several numbers of
/// them.
struct Growth {
  private let results: [(nodes: Double, result: BenchmarkResult)]

  init(_ results: [BenchmarkResult]) {
    self.results = results.compactMap { result in
      guard result.benchmark == "run" else { return nil }
      return result.nodes.map { (Double($0), result) }
    }.sorted { $0.nodes < $1.nodes }
  }

  /// A plot for each workload that was done with at least two numbers of nodes.
  var plots: [Plot] {
    guard Set(results.map(\.nodes)).count > 1 else { return [] }
    let workloads = results.flatMap { $0.result.workloads }.filter {
      $0.goal?.measure != .difference
    }
    let order = results.flatMap { $0.result.contenderNames }.uniqued()
    return workloads.map(\.title).uniqued().compactMap { title in
      let lines = order.enumerated().compactMap { line(title, $0, $1) }
      guard let unit = workloads.first(where: { $0.title == title })?.unit, !lines.isEmpty else {
        return nil
      }
      return Plot.growth(title, unit, lines)
    }
  }

  /// Returns a contender's line; `nil` if it did the workload with fewer than two numbers of nodes.
  private func line(_ title: String, _ series: Int, _ name: String) -> Plot.Line? {
    let points = results.compactMap { nodes, result -> (x: Double, y: Double)? in
      let workload = result.workloads.first { $0.title == title }
      let middle = workload?.contenders.first { $0.name == name }?.middle
      return middle.flatMap { $0 > 0 ? (nodes, $0) : nil }
    }
    return Set(points.map(\.x)).count < 2
      ? nil : Plot.Line(series: series, name: name, points: points)
  }
}
