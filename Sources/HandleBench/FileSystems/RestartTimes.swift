import Foundation

/// The time from the death of a server to the next reply.
enum RestartTimes {
  /// Kills the server `kills` times, and returns the times in nanoseconds, sorted.
  static func measure(
    _ contender: Contender, _ place: WorkingPlace, kills: Int, check: () throws -> Void
  ) throws -> [UInt64] {
    try place.withMount(contender) { mounted in
      try (0..<kills).map { i in
        try check()
        guard let server = mounted.server() else {
          throw BenchError(description: "no server answers after \(i) kills")
        }
        // Let the server live longer than one that the supervisor counts as dying right after its
        // start.
        usleep(150_000)
        kill(server, SIGKILL)
        let start = now()
        // The kernel cannot have this name cached.
        _ = FileManager.default.fileExists(atPath: "\(mounted.path)/none-\(i)")
        return now() - start
      }.sorted()
    }
  }
}
