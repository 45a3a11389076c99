internal import ArgumentParser

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the counters of the server and its store, as JSON.")

  @Argument(help: "The mount point.")
  var mountpoint: String

  func run() throws { print(try Conversation.ask("status", .server, of: mountpoint)) }
}
