import SystemPackage

/// Lets a store and other maps do the same work in turn.
struct MapContest {
  let bench: Bench
  let numbering: Numbering
  private let maps: [any NodeMap]

  init(bench: Bench, numbering: Numbering) {
    self.bench = bench
    self.numbering = numbering
    let plain = EngineMap(bench: bench, numbering: numbering, engine: .lmdb)
    let sorted = EngineMap(bench: bench, numbering: numbering, engine: .lmdb, isSorted: true)
    let peers = Engine.allCases.filter { $0 != .lmdb && $0.isInstalled }.map {
      EngineMap(bench: bench, numbering: numbering, engine: $0)
    }
    maps = [LibraryMap(bench: bench, numbering: numbering), plain, sorted] + peers
  }

  /// How many turns there are.
  var turns: Int { maps.count * (bench.rounds + 1) }

  /// Runs all rounds, and then once more with recorders.
  func run() throws -> [Comparison] {
    let results = maps.map { map in map.works.map { MapResult(work: $0) } }
    for round in 0...bench.rounds {
      for (map, results) in zip(maps, results) {
        try bench.step("\(numbering): \(map.name)") {
          try turn(of: map, results, isRecorded: round == bench.rounds)
        }
      }
    }
    return MapWork.allCases.map { comparison($0, results) }
  }

  /// Fills two new directories, one file by one and in batches, and works on the latter.
  private func turn(of map: any NodeMap, _ results: [MapResult], isRecorded: Bool) throws {
    let singly = results.filter { $0.work == .registerSingly }
    for results in [singly, results.filter { $0.work != .registerSingly }] {
      try bench.withNewDirectory { directory in
        for result in results {
          try bench.requireGoing()
          let recorder = isRecorded ? result.recorder : nil
          let value = try map.measure(result.work, in: directory, recorder)
          if !isRecorded { result.rounds.append(value) }
        }
      }
    }
  }

  private func comparison(_ work: MapWork, _ results: [[MapResult]]) -> Comparison {
    let sample =
      work == .registerBatched
      ? "batch of \(min(MapWork.batchSize, bench.nodes))" : Latency.operation
    let contenders = zip(maps, results).compactMap { map, results in
      results.first { $0.work == work }?.measured(map.name, sample)
    }
    return Comparison(
      name: "\(work.name), \(numbering)", unit: work.unit, contenders: contenders, goal: work.goal)
  }
}

/// The values of one map's rounds of a work.
private final class MapResult {
  let work: MapWork
  let recorder = Recorder()
  var rounds: [Double?] = []

  init(work: MapWork) { self.work = work }

  func measured(_ name: String, _ sample: String) -> Measured {
    Measured(name: name, rounds: rounds, latency: Latency(recorder, of: sample))
  }
}
