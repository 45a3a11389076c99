internal import ArgumentParser
internal import SystemPackage

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print what the server and its store have done.",
    discussion: """
      `openmetrics` and `prometheus` are for monitoring systems. `prometheus` is the older text, \
      which `promtool check metrics` and the textfile collector of node_exporter read.
      """)

  @Argument(help: "The mount point.")
  var mountpoint: String

  @Option(
    help: ArgumentHelp(
      "How to print it.", valueName: "text|json|openmetrics|prometheus"))
  var format = StatusFormat.text

  func run() throws {
    let text = try answer()
    do {
      try FileDescriptor.standardOutput.writeAll(Array(text.utf8))
    } catch {
      throw CommandError("writing the output: \(error)")
    }
  }

  /// Returns what the server tells. If the server is killed while it answers, asks the next one.
  private func answer() throws -> String {
    for _ in 0..<10 {
      do {
        let text = try Conversation.ask("status \(format.rawValue)", .server, of: mountpoint)
        if text.hasSuffix(StatusFormat.end) { return String(text.dropLast(StatusFormat.end.count)) }
      } catch is Errno {
      }
    }
    throw CommandError(
      "the server of \(mountpoint) does not answer in full; see its log, or run handlefs restart")
  }
}
