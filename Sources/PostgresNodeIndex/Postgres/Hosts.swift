internal import CPostgres

/// What is known of the hosts of a connection string after a connection was made: which to try first.
struct Route: Sendable {
  private(set) var hosts: Hosts?
  private(set) var first = 0

  /// The hosts, the one to try first before the others.
  var parameters: [(String, String)] { hosts?.beginning(with: first) ?? [] }

  /// Takes the host that is tried first for one that does not answer.
  mutating func goOn(with hosts: Hosts) { (self.hosts, first) = (hosts, (first + 1) % hosts.count) }
}

/// The hosts of a connection, wherever libpq has them from: the string, a service file or the environment.
struct Hosts: Sendable {
  /// The values of `host`, `hostaddr` and `port`, which are lists.
  private var lists: [(keyword: String, values: [String])] = []

  /// Reads them (`PQconninfo`).
  init(of connection: OpaquePointer) {
    guard let options = unsafe PQconninfo(connection) else { return }
    defer { unsafe PQconninfoFree(options) }
    var option = unsafe options
    while let keyword = unsafe option.pointee.keyword {
      defer { unsafe option += 1 }
      guard let value = unsafe option.pointee.val else { continue }
      let word = unsafe String(cString: keyword)
      guard ["host", "hostaddr", "port"].contains(word) else { continue }
      let text = unsafe String(cString: value)
      let values = text.split(separator: ",", omittingEmptySubsequences: false)
      lists.append((word, values.map { String($0) }))
    }
  }

  /// At least 1.
  var count: Int { max(1, lists.map(\.values.count).max() ?? 1) }

  /// Returns the parameters for the same hosts in another order: the one with a number first, and those
  /// before it last.
  func beginning(with first: Int) -> [(String, String)] {
    guard first > 0 else { return [] }
    return lists.filter { $0.values.count == count }.map { keyword, values in
      (keyword, (values[first...] + values[..<first]).joined(separator: ","))
    }
  }
}
