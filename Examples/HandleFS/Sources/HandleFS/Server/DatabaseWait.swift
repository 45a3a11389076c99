internal import HandleStore
internal import HandleLocks
internal import SystemPackage

/// What a server does while it waits for the database of its nodes: it says so to `handlefs status`, and
/// ends if the filesystem is unmounted.
final class DatabaseWait: Sendable {
  /// Milliseconds between two looks.
  private static let interval: UInt32 = 50
  /// After how many milliseconds it answers. A server that starts as usual answers itself.
  private static let patience = 1000

  private struct State {
    var isOver = false
    var reason = "it has not answered yet"
  }

  private let options: MountOptions
  private let supervision: Supervision
  private let began = Processes.now
  private let state = Locked(State())

  init(_ options: MountOptions, _ supervision: Supervision) {
    (self.options, self.supervision) = (options, supervision)
  }

  func begin() {
    Thread.start { [self] in
      while look() { Processes.sleep(milliseconds: Self.interval) }
    }
  }

  /// Takes note of why the database could not be used.
  func note(_ reason: String) { state.withLock { $0.reason = reason } }

  /// The store is open. Whoever asks from now on, the server answers.
  func end() { state.withLock { $0.isOver = true } }

  /// Returns whether the server still waits.
  private func look() -> Bool {
    state.withLock { state in
      guard !state.isOver else { return false }
      if supervision.isConnectionEnded {
        supervision.tellUnmounted()
        Processes.end(ExitStatus.fine.rawValue)
      }
      let questions = supervision.session.questions
      if Processes.now - began > Self.patience,
        Processes.wait(for: [questions], milliseconds: 0)[0],
        let asker = try? Processes.accept(questions)
      {
        answer(asker, state.reason)
      }
      return true
    }
  }

  /// Answers a question for the status. Those who ask for something else try again when the connection ends.
  private func answer(_ asker: FileDescriptor, _ reason: String) {
    let words = Conversation.line(from: asker).split(separator: " ")
    if words.first == "status", let format = words.last.flatMap({ StatusFormat(rawValue: "\($0)") })
    {
      let status = WaitingStatus(
        options, MountHistory(in: supervision.session.history), reason: reason)
      try? asker.writeOnce(status.text(format) + Array(StatusFormat.end.utf8))
    }
    try? asker.close()
  }
}
