import Formatting

extension FileSystemWorkload {
  /// The name, and how many clients there are, if there is more than one.
  var title: String { isCommand || clients == 1 ? name : "\(name), \(clients) clients" }

  /// Returns the row of the results.
  ///
  /// - Parameter measured: HandleFS, the bare filesystem, and then the other servers.
  func row(_ measured: [Measured]) -> Comparison {
    Comparison(
      name: title, unit: isCommand ? .runsPerSecond : .operationsPerSecond, contenders: measured,
      goal: goal.map {
        .atLeast($0, timesThatOf: Self.fastest(measured) ?? "another server")
      })
  }

  /// Returns the server to which the ratio of the first contender is the lowest; `nil` if there is no
  /// other server.
  private static func fastest(_ measured: [Measured]) -> String? {
    guard let ours = measured.first else { return nil }
    return measured.dropFirst(2).compactMap { other in
      ours.spread(with: other, /).map { (other.name, $0.median) }
    }.min { $0.1 < $1.1 }?.0
  }
}
