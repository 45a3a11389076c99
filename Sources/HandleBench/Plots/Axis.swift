import Foundation

/// The range of an axis, and its marks.
struct Axis {
  struct Tick {
    let value: Double
    let label: String
  }

  let range: ClosedRange<Double>
  let isLogarithmic: Bool
  let ticks: [Tick]

  /// An axis from zero.
  static func linear(_ values: [Double], label: (Double) -> String) -> Axis {
    let largest = values.max() ?? 0
    let most = largest > 0 ? largest : 1
    let power = pow(10, floor(log10(most)))
    let step = [0.2, 0.5, 1, 2, 5].map { $0 * power }.first { most / $0 <= 4 } ?? power
    let end = (most / step).rounded(.up) * step
    let ticks = stride(from: 0, through: end + step / 2, by: step).map {
      Tick(value: $0, label: label($0))
    }
    return Axis(range: 0...end, isLogarithmic: false, ticks: ticks)
  }

  /// An axis on which equal ratios are equally long. Values must be above zero.
  ///
  /// - Parameter room: how many characters fit beside each other.
  static func logarithmic(_ values: [Double], room: Int, label: (Double) -> String) -> Axis {
    let (least, most) = (values.min() ?? 1, values.max() ?? 10)
    let range = least / 1.3...most * 1.3
    let ticks = choices(range).map { $0.map { Tick(value: $0, label: label($0)) } }
      .first { $0.count < 7 && $0.map { $0.label.count + 2 }.reduce(0, +) <= room }
    return Axis(range: range, isLogarithmic: true, ticks: ticks ?? [])
  }

  /// Returns round numbers in a range: first many, and then fewer and fewer.
  private static func choices(_ range: ClosedRange<Double>) -> [[Double]] {
    let powers = Int(floor(log10(range.lowerBound)))...Int(ceil(log10(range.upperBound)))
    func within(_ factors: [Double], every step: Int = 1) -> [Double] {
      powers.filter { $0.isMultiple(of: step) }.flatMap { power in
        factors.map { $0 * pow(10, Double(power)) }
      }.filter(range.contains)
    }
    let usual =
      [within([1, 2, 5]), within([1, 3])] + [1, 2, 3, 6].map { within([1], every: $0) }
    return usual[0].count > 1 ? usual : [within([1, 2, 3, 4, 5, 6, 7, 8, 9])] + usual
  }
}
