internal import ArgumentParser
internal import SystemPackage

struct Restart: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Replace the server by this program's, without a request failing.",
    discussion: """
      The server answers what it has under way and ends; one of the program that this command is of goes \
      on. Where that one does not serve within ten seconds, the former program's does.
      """)

  @Argument(help: "Where the file system is mounted.")
  var mountpoint: String

  func run() throws {
    let answer = try Conversation.ask(
      "restart \(Processes.program)", .supervisor, of: mountpoint)
    guard answer.hasPrefix("serving") else { throw CommandError(answer) }
    print(answer)
  }
}
