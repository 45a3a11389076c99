import CYardstick

/// How far the ratio of two medians may be from the one that was measured, by chance alone.
///
/// The rounds of both sides are drawn again, with repetition, many times (the bootstrap). The same
/// rounds always give the same answer.
struct Bootstrap {
  private static let draws = 2000

  /// The ratio of the medians.
  let ratio: Double
  /// Where 95 % of the ratios of redrawn rounds are.
  let interval: ClosedRange<Double>

  /// - Parameters:
  ///   - new: values above zero, of which there is at least one.
  ///   - old: the same.
  init(_ new: [Double], over old: [Double]) {
    var drawn: UInt64 = 0
    func redrawn(_ values: [Double]) -> [Double] {
      values.map { _ in
        drawn += 1
        return values[Int(ys_random(drawn) % UInt64(values.count))]
      }
    }
    let ratios = (0..<Self.draws).map { _ in
      Self.median(redrawn(new)) / Self.median(redrawn(old))
    }.sorted()
    ratio = Self.median(new) / Self.median(old)
    interval = ratios[Self.draws / 40]...ratios[Self.draws - 1 - Self.draws / 40]
  }

  private static func median(_ values: [Double]) -> Double { Spread(values)?.median ?? .nan }
}
