internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Server {
  /// Answers the commands that connect to this server, each connection in a thread of its own;
  /// never returns.
  func answerQuestions(from listener: FileDescriptor) {
    while true {
      guard let asker = try? Processes.accept(listener) else {
        // The limit of descriptors is reached; try again later.
        Processes.sleep(milliseconds: 1000)
        continue
      }
      Thread.start { [self] in
        defer { try? asker.close() }
        do {
          try answer(Conversation.line(from: asker).split(separator: " "), asker)
        } catch {
          try? asker.writeOnce(Array("\(error)\n".utf8))
        }
      }
    }
  }

  private func answer(_ words: [Substring], _ asker: FileDescriptor) throws {
    let numbers = words.dropFirst(2).compactMap { UInt64($0) }
    switch words.first {
    case "status":
      guard let format = words.dropFirst().first.flatMap({ StatusFormat(rawValue: String($0)) })
      else { throw CommandError("unknown format") }
      try asker.writeOnce(status(format) + Array(StatusFormat.end.utf8))
    case "events" where numbers.count >= 2:
      try watchers.serve(
        watchers.family.id(numbers[0]), numbers.dropFirst().map(node), on: asker,
        root: path(Self.rootNode).open(".", flags: O_RDONLY | O_DIRECTORY),
        comesAgain: words[1] == "again")
    default: throw CommandError("unknown request")
    }
  }
}
