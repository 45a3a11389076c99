import Foundation

/// A program that gets a signal when this process ends, also if it is killed.
struct BoundProcess {
  private let process = Process()

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - words: its path or its name, and its arguments.
  ///   - user: as which user it runs; `nil` for the same.
  ///   - signal: the name of the signal.
  init(_ words: [String], as user: String? = nil, signal: String, isQuiet: Bool = false) throws {
    guard let setpriv = Contender.find("setpriv") else {
      throw BenchError(
        description: "there is no setpriv in PATH; install Debian's package util-linux")
    }
    process.executableURL = URL(fileURLWithPath: setpriv)
    // This process may end before the program is bound to it.
    let check = #"[ "$PPID" = "$0" ] && exec "$@""#
    let own = "\(ProcessInfo.processInfo.processIdentifier)"
    process.arguments =
      ["--pdeathsig", signal] + Self.options(for: user) + ["sh", "-c", check, own] + words
    if isQuiet { process.standardError = FileHandle.nullDevice }
    try process.run()
  }

  /// The options of setpriv for a user.
  static func options(for user: String?) -> [String] {
    user.map { ["--reuid=\($0)", "--regid=\($0)", "--clear-groups"] } ?? []
  }

  var isRunning: Bool { process.isRunning }

  /// Waits for the program, and returns its exit status.
  ///
  /// - Parameter shouldEnd: whether to ask it to end. It is in a process group of its own, so a
  ///   signal of the terminal does not reach it.
  func wait(until shouldEnd: () -> Bool) -> Int32 {
    while process.isRunning {
      if shouldEnd() {
        process.terminate()
        process.waitUntilExit()
      }
      usleep(100_000)
    }
    return process.terminationStatus
  }

  /// Interrupts the program, and waits for it.
  func interrupt() {
    if process.isRunning { process.interrupt() }
    process.waitUntilExit()
  }
}
