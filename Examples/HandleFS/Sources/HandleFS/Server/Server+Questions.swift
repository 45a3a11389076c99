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
    case "status": try asker.writeOnce(Array(status().utf8))
    case "events" where numbers.count >= 2:
      try watchers.serve(
        WatcherID(rawValue: numbers[0]), numbers.dropFirst().map(node), on: asker,
        root: path(Self.rootNode).open(".", flags: O_RDONLY | O_DIRECTORY),
        comesAgain: words[1] == "again")
    default: throw CommandError("unknown request")
    }
  }

  /// The counters of the server and its store, as JSON.
  private func status() throws -> String {
    let own = ServerStatistics.Counter.allCases.map { ($0.name, statistics[$0]) }
    let known = store.statistics
    let values: [(String, UInt64)] =
      [("pid", UInt64(Processes.id))] + own + [
        ("descriptors", UInt64(files.count)), ("opens", UInt64(openFiles.count)),
        ("files_kept_by_kernel", UInt64(openFiles.keptCount)),
        ("files_without_name", UInt64(orphans.count)),
        ("requests_noted", UInt64(journal.count)),
        ("nodes_created", known.created), ("nodes_found", known.existing),
        ("nodes_replaced", known.replaced), ("nodes_retired", known.retired),
        ("files_opened", known.opened),
      ]
    return try JSONLine.text(of: Dictionary(uniqueKeysWithValues: values)) + "\n"
  }
}
