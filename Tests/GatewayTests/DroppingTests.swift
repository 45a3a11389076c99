import Glibc
import PostgresNodeIndex
import TestSupport
import Testing

@testable import HandleStore

/// Two gateways change one node, one of them to drop it. (Stores do not drop shared nodes yet.)
@Suite(.server) struct DroppingTests {
  @Test func aWatchedNodeStays() throws {
    let database = try DatabaseServer.database()
    let indexes = try ["a", "b"].map {
      try PostgresNodeIndex(
        database, gateway: $0, StoreOptions(cacheSize: 0), lease: .seconds(10),
        patience: .seconds(30))
    }
    let filesystem = FilesystemID(rawValue: 1)
    let identity = FilesystemIdentity(
      magic: .tmpfs, uuid: [1], root: nil, volume: "", birth: "", seed: "")
    try indexes[0].record(filesystem) { _ in KnownFilesystem(identity: identity) }
    try indexes[1].reloadFilesystems()
    var dropped = 0
    for key in 0..<200 as Range<UInt64> {
      guard
        case .done(let found) = try indexes[0].register(
          Synthetic.file(key), on: filesystem, Survivors())
      else { continue }
      let results = try inThreads(2) { thread in
        if thread == 0 {
          return try indexes[0].drop(Dropping(ids: [found.node], isHeld: { _ in false })) == 1
        }
        // Sooner or later than the drop, which takes more round trips.
        usleep(UInt32(key % 20) * 150)
        do {
          try indexes[1].watch(
            Watch(node: found.node, watcher: WatcherID(rawValue: 1), mask: .deleteSelf))
          return true
        } catch StoreError.unknownNode {
          return false
        }
      }
      #expect(results[0] != results[1], "node \(found.node): dropped, watched: \(results)")
      dropped += results[0] ? 1 : 0
    }
    #expect((1..<200).contains(dropped), "\(dropped) of 200 were dropped")
    for index in indexes { try index.close() }
  }
}
