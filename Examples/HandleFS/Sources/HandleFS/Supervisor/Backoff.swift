/// When the next server is started: at once, unless several in a row have ended right after their
/// start.
struct Backoff {
  private static let quick = 100
  private static let atOnce = 5
  private static let longest = 5000
  private var quickEnds = 0

  /// Milliseconds to wait after a server that ran for so many.
  mutating func delay(lifetime: Int) -> Int {
    quickEnds = lifetime < Self.quick ? quickEnds + 1 : 0
    guard quickEnds > Self.atOnce else { return 0 }
    return min(Self.longest, 10 << min(quickEnds - Self.atOnce, 10))
  }
}
