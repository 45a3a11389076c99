import Formatting
import Glibc
import SystemPackage

/// A progress bar on standard error, if that is a terminal; otherwise nothing.
///
/// The number of files is not known before the end. So each directory counts as an equal part of
/// its parent directory, and the bar shows the parts that were read.
struct ProgressBar {
  private static let width = 24
  private static let interval = Duration.milliseconds(100)

  private let isShown = isatty(FileDescriptor.standardError.rawValue) == 1
  private var done = 0.0
  private var last = ContinuousClock.now

  /// Adds a part of the whole, which is 1.
  mutating func advance(_ part: Double) { done = min(1, done + part) }

  /// Draws the bar, at most ten times a second.
  mutating func show(_ counts: IndexCounts) {
    guard isShown, ContinuousClock.now - last >= Self.interval else { return }
    last = .now
    let filled = Int(done * Double(Self.width))
    let bar =
      String(repeating: "#", count: filled) + String(repeating: ".", count: Self.width - filled)
    let files = Text.grouped(counts.files)
    let speed = Text.grouped(Int(counts.filesPerSecond))
    write(
      "\r[\(bar)] \(Text.right(String(Int(done * 100)), 3)) %  \(files) files, \(speed)/s \u{1b}[K")
  }

  /// Removes the bar.
  func end() { if isShown { write("\r\u{1b}[K") } }

  private func write(_ text: String) {
    _ = try? FileDescriptor.standardError.writeAll(Array(text.utf8))
  }
}
