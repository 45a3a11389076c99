import Dispatch
import Foundation
import Synchronization

/// Catches `SIGINT` and `SIGTERM`, so that a run ends in order and removes what it made.
struct Interruption {
  private final class Flag: Sendable {
    let isSet = Atomic<Bool>(false)
  }

  private let flag: Flag
  private let sources: [any DispatchSourceSignal]

  init() {
    let flag = Flag()
    self.flag = flag
    sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { flag.isSet.store(true, ordering: .relaxed) }
      source.resume()
      return source
    }
  }

  /// - Throws: ``BenchError`` if the process was asked to end.
  func check() throws {
    guard !flag.isSet.load(ordering: .relaxed) else {
      throw BenchError(description: "interrupted; everything that was created is removed")
    }
  }
}
