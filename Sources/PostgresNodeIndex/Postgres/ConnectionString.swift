internal import CPostgres

/// What the wall must know of a connection string of libpq before it uses it.
enum ConnectionString {
  /// Returns how many hosts a string names, at least 1 (`PQconninfoParse`).
  ///
  /// - Throws: ``PostgresError/unreachable(_:)`` if libpq cannot read the string. libpq's own text for
  ///   that repeats parts of the string, so it is not used. The same goes for a host or port that libpq
  ///   may have read out of a password: one of a URI with an `@` or `/` that is not percent-encoded.
  static func hosts(of conninfo: String) throws(PostgresError) -> Int {
    guard let options = unsafe PQconninfoParse(conninfo, nil) else { throw .unreadable }
    defer { unsafe PQconninfoFree(options) }
    var hosts = 1
    var option = unsafe options
    while let keyword = unsafe option.pointee.keyword {
      defer { unsafe option += 1 }
      guard let value = unsafe option.pointee.val else { continue }
      let words = unsafe String(cString: value).split(separator: ",")
      switch unsafe String(cString: keyword) {
      case "host", "hostaddr":
        try require(words.allSatisfy { !$0.dropFirst().contains("@") })
        hosts = max(hosts, words.count)
      case "port": try require(words.allSatisfy { UInt16($0) != nil })
      default: break
      }
    }
    return hosts
  }

  /// Returns whether a string carries a password or a key's password (`PQconninfoParse`). What it leaves
  /// out, such as the contents of a service file, is not looked at.
  ///
  /// - Throws: ``PostgresError/unreachable(_:)`` as ``hosts(of:)`` does, and if libpq cannot be loaded.
  static func hasPassword(_ conninfo: String) throws(PostgresError) -> Bool {
    if let problem = unsafe cpostgres_load() {
      throw .unreachable("\(unsafe String(cString: problem)); install libpq5")
    }
    guard let options = unsafe PQconninfoParse(conninfo, nil) else { throw .unreadable }
    defer { unsafe PQconninfoFree(options) }
    var option = unsafe options
    while let keyword = unsafe option.pointee.keyword {
      let isSecret = unsafe ["password", "sslpassword"].contains(String(cString: keyword))
      if unsafe isSecret && option.pointee.val != nil { return true }
      unsafe option += 1
    }
    return false
  }

  private static func require(_ isPlausible: Bool) throws(PostgresError) {
    guard isPlausible else {
      throw .unreachable(
        "the host or port in the connection string is not one; percent-encode @, / and : in a URI's"
          + " password")
    }
  }

  /// Returns libpq's keywords and values for a string. The string overrides what stands before it,
  /// and what stands behind it overrides the string.
  static func parameters(
    _ conninfo: String, patience: Duration, hosts: Int
  ) -> [(String, String)] {
    // Time for one host more, because a name may have two addresses.
    let milliseconds = Int(patience / .milliseconds(1)) / (hosts + 1)
    return [
      // Of several hosts, the one that takes writes: a standby may not know the newest yet.
      ("target_session_attrs", "read-write"),
      ("tcp_user_timeout", String(max(1, milliseconds))),
      ("fallback_application_name", "handlestore"),
      ("dbname", conninfo),
      ("client_encoding", "UTF8"),
    ]
  }
}

extension PostgresError {
  fileprivate static var unreadable: PostgresError {
    .unreachable("the connection string is not one that libpq can read")
  }
}
