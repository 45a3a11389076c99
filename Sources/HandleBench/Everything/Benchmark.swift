/// One of the benchmarks.
struct Benchmark {
  let name: String
  /// Where its result is, below the place of all of them.
  let file: String
  /// Why it cannot be run here; `nil` if it can.
  var obstacle: String?
  /// Prepares it, and returns the words for `handlebench`, without those for its result.
  let arguments: () throws -> [String]
}
