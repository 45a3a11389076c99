internal import ArgumentParser

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print what the server and its store have done, as JSON.")

  @Argument(help: "Where the file system is mounted.")
  var mountpoint: String

  func run() throws { print(try Conversation.ask("status", .server, of: mountpoint)) }
}
