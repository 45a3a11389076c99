internal import Synchronization

/// Counts what a server has done since it started.
final class ServerStatistics: Sendable {
  enum Counter: Int, CaseIterable {
    /// Requests from the kernel.
    case requests
    /// Requests that a killed server had already read.
    case resent
    /// Resent requests that had already been carried out.
    case foundDone
    /// Requests that were answered with an error.
    case errors

    /// The counter's name in the status.
    var name: String { self == .foundDone ? "found_done" : "\(self)" }
  }

  private let values = Mutex(Array(repeating: UInt64(0), count: Counter.allCases.count))

  func count(_ counter: Counter) { values.withLock { $0[counter.rawValue] += 1 } }

  subscript(counter: Counter) -> UInt64 { values.withLock { $0[counter.rawValue] } }
}
