internal import ArgumentParser
internal import SystemPackage

struct Restart: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Replace the server with one from this binary; no request fails.",
    discussion: """
      The running server answers the requests that it has begun, and ends. A server from this \
      binary takes over. If that server does not serve within ten seconds, a server from the \
      former binary takes over.
      """)

  @Argument(help: "The mount point.")
  var mountpoint: String

  func run() throws {
    let answer = try Conversation.ask(
      "restart \(Processes.program)", .supervisor, of: mountpoint)
    guard answer.hasPrefix("serving") else { throw CommandError(answer, .finding) }
    print(answer)
  }
}
