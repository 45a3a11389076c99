internal import CLMDB
internal import SystemPackage

extension Environment {
  /// Makes LMDB report the damage before a failed assertion ends the process (SIGABRT).
  static func explainAssertions(of env: OpaquePointer) {
    _ = unsafe mdb_env_set_assert(env) { env, text in
      CrashGuard.sayAtEnd(unsafe Environment.explanation(env, text))
    }
  }

  private static func explanation(
    _ env: OpaquePointer?, _ text: UnsafePointer<CChar>?
  ) -> String {
    let assertion = unsafe text.map { unsafe String(cString: $0) } ?? "an assertion failed"
    let place = unsafe path(env)
    return "handlestore: a page of the store in \(place) is damaged (LMDB: \(assertion)), "
      + "which ends this process; run `handlestore check` and then `handlestore repair` on it"
  }

  /// Returns the current directory of the data file, even after a rename.
  private static func path(_ env: OpaquePointer?) -> String {
    var fd: CInt = -1
    guard unsafe mdb_env_get_fd(env, &fd) == MDB_SUCCESS,
      let data = try? SystemCalls.path(of: FileDescriptor(rawValue: fd))
    else { return "?" }
    return data.removingLastComponent().string
  }
}
