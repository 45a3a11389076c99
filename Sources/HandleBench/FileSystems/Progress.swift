import Foundation

/// What is being done and how long the rest takes, as a line on standard error if that is a terminal.
final class Progress {
  private let steps: Int
  private var done = 0
  private let start = now()
  private let isShown = isatty(STDERR_FILENO) == 1

  init(steps: Int) { self.steps = steps }

  /// Shows what the next step is.
  func show(_ step: String) { write("\(done + 1)/\(steps) \(step)\(timeLeft)") }

  func finishStep() { done += 1 }

  func clear() { write("") }

  /// The time that the steps so far took on average, for each that is left.
  private var timeLeft: String {
    guard done > 0 else { return "" }
    let seconds = Double(now() - start) / 1e9 / Double(done) * Double(steps - done)
    return seconds < 90 ? ": \(Int(seconds)) s left" : ": \(Int(seconds / 60) + 1) min left"
  }

  private func write(_ line: String) {
    guard isShown else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[K\(line)".utf8))
  }
}
