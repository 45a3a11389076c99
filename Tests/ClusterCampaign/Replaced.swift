import Glibc
import HandleStore
import TestSupport

/// Processes whose names other ones have taken.
struct Replaced {
  /// The number of the run of each, and when the other one had joined, in nanoseconds of
  /// `CLOCK_BOOTTIME`.
  private var all: [(run: Int, moment: UInt64)] = []

  mutating func append(_ run: Int) { all.append((run, SystemCalls.sinceBoot)) }

  /// Returns the nodes that such a process has made since, as far as it could write it down. It must make
  /// none.
  func findings(_ history: (Int) -> [HistoryEvent]) -> [String] {
    all.flatMap { run, moment in
      history(run).filter { $0.start > moment && $0.result.isNew }.map {
        "a process made \($0.result) \(($0.start - moment) / 1000) µs after another had its name"
      }
    }
  }
}

extension Campaign {
  /// Starts another process under the name of a gateway that works, or that is stopped and then goes on. The
  /// first one must end.
  mutating func replace(_ gateway: Int) throws {
    let (old, run) = (members[gateway], running[gateway])
    // One that has not joined yet would take the name from the other one.
    guard eventually(seconds: 60, { size(run) > 0 }) else {
      throw CommandFailure(description: "a gateway does not work")
    }
    let isStopped = Bool.random(using: &random)
    if isStopped { kill(old.pid, SIGSTOP) }
    note(.replaceGateway)
    members[gateway] = try start(gateway)
    try awaitJoining(members[gateway])
    replaced.append(run)
    if isStopped { kill(old.pid, SIGCONT) }
    guard old.wait(seconds: 30) != nil else {
      throw CommandFailure(description: "a gateway goes on whose name another process has")
    }
  }
}
