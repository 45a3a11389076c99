import CYardstick

/// Catches `SIGINT`, `SIGTERM` and `SIGHUP`, so that a run ends in order and removes what it made.
struct Interruption {
  init() { interruption_catch() }

  /// Whether the process was asked to end.
  var came: Bool { interruption_came() != 0 }

  /// - Throws: ``BenchError`` if the process was asked to end.
  func check() throws {
    guard !came else {
      throw BenchError(description: "interrupted; everything that was created is removed")
    }
  }
}
