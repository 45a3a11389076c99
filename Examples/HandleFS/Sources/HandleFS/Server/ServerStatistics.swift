internal import Synchronization

/// What a server has done since it was started.
final class ServerStatistics: Sendable {
  enum Counter: Int, CaseIterable {
    /// Requests of the kernel.
    case requests
    /// Those that were read before by a server that was killed.
    case resent
    /// Those of them that had been carried out.
    case foundDone
    /// Requests that were answered with an error.
    case errors

    /// Its name in the status.
    var name: String { self == .foundDone ? "found_done" : "\(self)" }
  }

  private let values = Mutex(Array(repeating: UInt64(0), count: Counter.allCases.count))

  func count(_ counter: Counter) { values.withLock { $0[counter.rawValue] += 1 } }

  subscript(counter: Counter) -> UInt64 { values.withLock { $0[counter.rawValue] } }
}
