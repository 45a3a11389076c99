/// Decides when the next server starts: at once, unless several servers in a row have ended right
/// after their start.
struct Backoff {
  private static let quick = 100
  private static let atOnce = 5
  private static let longest = 5000
  private var quickEnds = 0

  /// Returns how many milliseconds to wait before the next start, after a server that ran for
  /// `lifetime` milliseconds.
  mutating func delay(lifetime: Int) -> Int {
    quickEnds = lifetime < Self.quick ? quickEnds + 1 : 0
    guard quickEnds > Self.atOnce else { return 0 }
    return min(Self.longest, 10 << min(quickEnds - Self.atOnce, 10))
  }
}
