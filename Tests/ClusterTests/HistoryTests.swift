import TestSupport
import Testing

/// The checker of histories finds what must not be, and nothing else.
struct HistoryTests {
  private let a = HistoryFile(1)
  private let b = HistoryFile(2)

  /// What is wrong with calls that each begin at a time and return a second later.
  private func findings(
    _ calls: [(second: UInt64, call: HistoryCall, result: HistoryResult)], mayLose: Bool = false
  ) -> [String] {
    let events = calls.map {
      HistoryEvent($0.call, $0.second * 1_000_000_000, ($0.second + 1) * 1_000_000_000, $0.result)
    }
    var checker = HistoryChecker(events, lease: .seconds(2), mayLose: mayLose)
    checker.check()
    return checker.findings
  }

  @Test func whatMayBe() {
    #expect(
      findings([
        (1, .register(a), .created(10)), (2, .register(a), .existing(10)),
        (3, .look(10), .file(a)), (3, .find(a), .node(10)), (4, .watch(10), .done),
        (5, .retire(10), .done), (6, .look(10), .file(a)), (7, .look(10), .stale),
        (7, .deletions, .deleted([10], overflowed: false)),
        // A registration that failed may have made the node.
        (8, .register(b), .failed), (9, .register(b), .existing(11)), (10, .look(12), .unknown),
      ]) == [])
  }

  @Test func oneIDForTwoFiles() {
    #expect(
      findings([(1, .register(a), .created(10)), (2, .register(b), .created(10))]).count == 1)
    #expect(findings([(1, .register(a), .created(10)), (2, .look(10), .file(b))]).count == 1)
  }

  @Test func twoNodesForAFile() {
    #expect(
      findings([(1, .register(a), .created(10)), (2, .register(a), .existing(11))]).count == 1)
    #expect(
      findings([(1, .register(a), .created(10)), (2, .register(a), .created(10))]).count == 1)
    #expect(findings([(1, .register(a), .existing(10))]).count == 1)
  }

  @Test func aLostNode() {
    #expect(findings([(1, .register(a), .created(10)), (3, .look(10), .unknown)]).count == 1)
    #expect(findings([(1, .register(a), .created(10)), (3, .find(a), .unknown)]).count == 1)
  }

  /// A database that may lose what it acknowledged still gives an id to one file only.
  @Test func lossesThatMayBe() {
    let lost: [(UInt64, HistoryCall, HistoryResult)] = [
      (1, .register(a), .created(10)), (2, .watch(10), .done), (3, .retire(10), .done),
      (4, .look(10), .unknown), (5, .register(a), .created(11)), (6, .retire(11), .done),
      (9, .look(11), .file(a)),
    ]
    #expect(findings(lost, mayLose: true) == [])
    #expect(findings(lost + [(10, .register(b), .created(10))], mayLose: true).count == 1)
    #expect(findings(lost + [(10, .look(11), .file(b))], mayLose: true).count == 1)
  }

  @Test func aNodeThatIsStaleForNoReason() {
    #expect(findings([(1, .register(a), .created(10)), (3, .look(10), .stale)]).count == 1)
    let next = HistoryFile(1, generation: 2)
    let replaced = HistoryResult.replaced(11, old: 10)
    #expect(findings([(1, .register(a), .created(10)), (2, .register(next), replaced)]) == [])
    #expect(findings([(1, .register(a), .created(10)), (2, .register(b), replaced)]).count == 1)
  }

  @Test func aStaleNodeThatIsLive() {
    let calls: [(UInt64, HistoryCall, HistoryResult)] = [
      (1, .register(a), .created(10)), (2, .retire(10), .done),
    ]
    #expect(findings(calls + [(5, .look(10), .file(a))]) == [])
    #expect(findings(calls + [(6, .look(10), .file(a))]).count == 1)
  }

  @Test func deletions() {
    let calls: [(UInt64, HistoryCall, HistoryResult)] = [
      (1, .register(a), .created(10)), (2, .watch(10), .done), (3, .retire(10), .done),
    ]
    let told = HistoryResult.deleted([10], overflowed: false)
    #expect(findings(calls).count == 1)
    #expect(findings(calls + [(5, .deletions, told)]) == [])
    #expect(findings(calls + [(5, .deletions, .failed)]) == [])
    #expect(findings(calls + [(5, .deletions, told), (6, .deletions, told)]).count == 1)
  }

  @Test func aHistoryIsReadAsItWasWritten() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("history")
    let history = try History(path)
    let calls: [(HistoryCall, HistoryResult)] = [
      (.register(a), .created(10)), (.register(a), .existing(10)),
      (.register(a), .replaced(11, old: 10)), (.register(a), .stale), (.retire(10), .done),
      (.remove(b), .done), (.look(10), .file(HistoryFile(7, generation: 3))),
      (.look(10), .unknown), (.find(a), .node(10)), (.watch(10), .done),
      (.deletions, .deleted([1, 2], overflowed: true)), (.deletions, .failed),
    ]
    for (call, result) in calls { try history.record(call) { result } }
    struct Failure: Error {}
    #expect(throws: Failure.self) { try history.record(.retire(5)) { throw Failure() } }
    let events = try HistoryEvent.read(path)
    #expect(events.map(\.call) == calls.map(\.0) + [.retire(5)])
    #expect(events.map(\.result) == calls.map(\.1) + [.failed])
    for event in events { #expect(event.end.map { $0 >= event.start } == true) }
  }
}
