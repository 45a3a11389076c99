import Foundation

/// Draws plots with gnuplot.
enum Gnuplot {
  /// - Throws: ``BenchError`` if gnuplot is not installed.
  static func require() throws { _ = try program() }

  private static func program() throws -> String {
    guard let program = Contender.find("gnuplot") else {
      throw BenchError(
        description: """
          there is no gnuplot in PATH, which draws the plots; install Debian's package gnuplot-nox
          """)
    }
    return program
  }

  /// Returns the plot that a script draws, as SVG.
  static func draw(_ script: String) throws -> String {
    let (process, input, output, errors) = (Process(), Pipe(), Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: try program())
    // Without the user's settings.
    process.arguments = ["--default-settings"]
    (process.standardInput, process.standardOutput) = (input, output)
    process.standardError = errors
    try process.run()
    // If it ends early, its status says so, and no signal.
    signal(SIGPIPE, SIG_IGN)
    // It reads all of the script before it prints, because the script ends with the plot.
    try? input.fileHandleForWriting.write(contentsOf: Data(script.utf8))
    try input.fileHandleForWriting.close()
    let drawn = output.fileHandleForReading.readDataToEndOfFile()
    let said = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0, !drawn.isEmpty else {
      throw BenchError(description: "gnuplot failed: \(String(decoding: said, as: UTF8.self))")
    }
    return String(decoding: drawn, as: UTF8.self)
  }
}
