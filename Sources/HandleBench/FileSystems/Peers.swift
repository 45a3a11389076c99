import Foundation

/// The servers that HandleFS is compared with.
struct Peers {
  /// Those that take part.
  private(set) var contenders: [Contender] = []
  /// Those that the goals name and that do not take part, and why.
  private(set) var missing: [Missing] = []

  /// Finds the servers that the goals name, and builds passthrough_ll.
  ///
  /// - Parameters:
  ///   - given: more servers. One that has the name of a known server replaces it.
  ///   - place: where to build.
  init(given: [Contender], building place: String) {
    for (name, command) in Self.installed + Self.passthroughLL(in: place)
    where !given.contains(where: { $0.name == name }) {
      switch command {
      case .success(let command): contenders.append(.other(name, command))
      case .failure(let error): missing.append(Missing(name: name, reason: error.description))
      }
    }
    contenders += given
  }

  private typealias Known = (name: String, command: Result<[String], BenchError>)

  private static var installed: [Known] {
    [
      ["bindfs", "-f", "{source}", "{mountpoint}"],
      ["mergerfs", "-f", "-o", "minfreespace=0", "{source}", "{mountpoint}"],
      ["passthrough_hp", "--foreground", "{source}", "{mountpoint}"],
    ].map { command in
      let isThere = Contender.find(command[0]) != nil
      return (
        command[0],
        isThere ? .success(command) : .failure(BenchError(description: "it is not in PATH"))
      )
    }
  }

  /// Builds passthrough_ll, which takes part with its default options, and with names and attributes
  /// that the kernel keeps for a day.
  private static func passthroughLL(in place: String) -> [Known] {
    let program = build("\(place)/passthrough_ll")
    return [("passthrough_ll", ""), ("ll-always", "cache=always,")].map {
      name, option in
      (name, program.map { [$0, "-f", "-o", "\(option)source={source}", "{mountpoint}"] })
    }
  }

  /// Compiles the example of Debian's libfuse3-dev.
  private static func build(_ program: String) -> Result<String, BenchError> {
    let source = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c"
    guard FileManager.default.fileExists(atPath: source) else {
      return .failure(
        BenchError(description: "there is no \(source); install libfuse3-dev"))
    }
    do {
      let flags = try output(of: "pkg-config", ["--cflags", "--libs", "fuse3"])
        .split { $0.isWhitespace }.map(String.init)
      try output(of: "gcc", ["-O2", source, "-o", program] + flags)
      return .success(program)
    } catch { return .failure(BenchError(description: "it could not be built: \(error)")) }
  }
}
