import Glibc
import TestSupport
import Testing

/// A mount whose nodes are in a database, with a directory for those that it has come across.
@Suite(.serialized) struct GatewayCacheMountTests {
  /// What a killed server knew is found without the database.
  @Test(.mountsOnADatabase) func theNextServerGoesOnWithTheCache() throws {
    let (server, directory) = (try DatabaseServer(), try TemporaryDirectory())
    let cache = directory.appending("cache")
    let mounted = try Mounted(
      Volume(.ext4), shared: server.database(),
      ["--cache", cache.string, "--patience", "1", "--cache-timeout", "0"])
    try mounted.perform("for i in $(seq 300); do echo text >file$i; done; stat file*")
    // Until a heartbeat has noted what the cache knows.
    usleep(2_500_000)
    try mounted.waitForNewServer(after: mounted.killServer())
    // The next one must join the gateways.
    try mounted.perform("stat .")
    server.pause()
    try mounted.perform("cat file7 file300; stat file100")
    server.resume()
    #expect(try mounted.cacheIsUsable() == true)

    // A cache that cannot be used keeps nobody from working.
    try succeed("rm", "-r", cache.string)
    try write("", to: cache)
    try mounted.waitForNewServer(after: mounted.killServer())
    try mounted.expectSoon("cat file7", "text\n", within: 2)
    #expect(mounted.log.contains("the cache cannot be used"), "\(mounted.log)")
    #expect(try mounted.cacheIsUsable() == false)
    // But whoever mounts is told.
    try mounted.unmount()
    let error = #expect(throws: CommandFailure.self) { try mounted.mount() }
    #expect("\(error as Any)".contains("Not a directory"), "\(error as Any)")
    try succeed("rm", cache.string)
    try mounted.mount()
    try mounted.expectSoon("cat file7", "text\n", within: 2)
  }
}

extension Mounted {
  /// What monitoring systems and readers of the status hear of the cache.
  fileprivate func cacheIsUsable() throws -> Bool? {
    let texts = try ["prometheus", "text"].map { format in
      try run([Self.program ?? "", "status", mountpoint.string, "--format", format]).output
    }
    let metric = texts[0].split(separator: "\n").first { $0.hasPrefix("handlefs_cache_usable{") }
    let line = texts[1].split(separator: "\n").first { $0.hasPrefix("cache   ") }
    let isUsable = metric?.hasSuffix(" 1")
    #expect(line?.hasSuffix(isUsable == true ? " usable" : " not usable; see the log") == true)
    return isUsable
  }
}
