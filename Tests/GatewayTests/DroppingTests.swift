import Glibc
import PostgresNodeIndex
import TestSupport
import Testing

@testable import HandleStore

/// Two gateways change one node, one of them to drop it.
@Suite(.server) struct DroppingTests {
  @Test func aWatchedNodeStays() throws {
    let database = try DatabaseServer.database()
    let indexes = try ["a", "b"].map {
      try PostgresNodeIndex(
        database, gateway: $0, StoreOptions(cacheSize: 0, retention: .nodes(0)), lease: .seconds(3),
        patience: .seconds(30))
    }
    let filesystem = FilesystemID(rawValue: 1)
    let identity = FilesystemIdentity(
      magic: .tmpfs, uuid: [1], root: nil, volume: "", birth: "", seed: "")
    try indexes[0].record(filesystem) { _ in KnownFilesystem(identity: identity) }
    try indexes[1].reloadFilesystems()
    for index in indexes { index.use(Holds()) }
    let nodes = try (0..<200 as Range<UInt64>).map { key in
      let attempt = try indexes[0].register(Synthetic.file(key), on: filesystem, Survivors())
      guard case .done(let found) = attempt else {
        throw StoreError.staleHandle(Synthetic.handle(key))
      }
      return found.node
    }
    let all = Dropping(ids: nodes, isHeld: { _ in false })
    let agreed = try indexes[0].agreement(on: all).ids
    #expect(agreed == nodes)
    var dropped = 0
    for (place, node) in nodes.enumerated() {
      let dropping = Dropping(ids: [node], isHeld: { _ in false })
      let results = try inThreads(2) { thread in
        if thread == 0 {
          return try indexes[0].drop(dropping) == 1
        }
        // Sooner or later than the drop, which takes more round trips.
        usleep(UInt32(place % 20) * 150)
        do {
          try indexes[1].watch(
            Watch(node: node, watcher: WatcherID(rawValue: 1), mask: .deleteSelf))
          return true
        } catch StoreError.unknownNode {
          return false
        }
      }
      #expect(results[0] != results[1], "node \(node): dropped, watched: \(results)")
      dropped += results[0] ? 1 : 0
    }
    #expect((1..<200).contains(dropped), "\(dropped) of 200 were dropped")
    for index in indexes { try index.close() }
  }
}
