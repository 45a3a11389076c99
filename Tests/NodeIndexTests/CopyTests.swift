#if !THREAD_SANITIZER
  import SystemPackage
  import TestSupport
  import Testing

  @testable import HandleStore
  @testable import PostgresNodeIndex

  /// A store that is copied from one engine into another is the same, to the last key.
  @Suite struct CopyTests {
    @Test func fromADirectoryIntoADatabaseAndBack() throws {
      let directory = try TemporaryDirectory()
      let path = directory.path.appending("store")
      let local = try filled(path)
      let number = local.number
      let before = try contents(of: local)
      let database = try DatabaseServer.database()
      let shared = SharedStore(database)
      let count = try shared.take(local)
      #expect(count == before.count - 1)
      try local.close()
      let index = try PostgresNodeIndex(
        database, gateway: "a", StoreOptions(), lease: .seconds(10), patience: .seconds(30))
      #expect(try index.count() == count)
      #expect(index.number == number)
      try index.close()
      let back = directory.path.appending("back")
      #expect(try shared.copy(to: back) == count)
      #expect(try Store.check(at: back).isSound)
      let again = try Store(at: back)
      #expect(try contents(of: again) == before)
      try again.close()
      // What was found in the database may lead to no directory.
      #expect(throws: StoreError.self) { try shared.copy(to: back) }
    }

    /// A store with files that share an `st_ino`, of which only the last has the hint.
    private func filled(_ path: FilePath) throws -> Store {
      let store = try Store(at: path)
      let index = store.index
      let unknown = TestIndex.unknown
      for (id, magic) in [(TestIndex.tmpfs, FilesystemMagic.tmpfs), (unknown, .init(rawValue: 1))] {
        let identity = FilesystemIdentity(
          magic: magic, uuid: [UInt8(id.rawValue)], root: nil, volume: "v", birth: "b", seed: "s")
        try index.record(id) { _ in KnownFilesystem(identity: identity) }
      }
      var survivors = Survivors()
      for number in 1...4 as ClosedRange<UInt64> {
        for other in 1...4 as ClosedRange<UInt64> where other != number {
          survivors[opaque(number, inode: 7).handle, opaque(other, inode: 7).handle] = .both
        }
        _ = try index.register(opaque(number, inode: 7), on: unknown, survivors)
      }
      // The hint may be that of a node with a lower id.
      guard
        case .done(let first) = try index.register(
          Synthetic.file(1), on: TestIndex.tmpfs, survivors)
      else { throw CommandFailure(description: "contested") }
      for (parent, links) in [(first.node, 1), (first.node, 2), (NodeID(rawValue: 3), 2)] {
        let file = Synthetic.file(2, parent: parent, links: UInt32(links))
        _ = try index.register(file, on: TestIndex.tmpfs, survivors)
      }
      for number in 10...1200 as ClosedRange<UInt64> {
        _ = try index.register(opaque(number, inode: number), on: unknown, survivors)
      }
      survivors[opaque(5000, inode: 1200).handle, opaque(1200, inode: 1200).handle] = .both
      _ = try index.move(first.node, to: opaque(5000, inode: 1200), on: unknown, survivors)
      _ = try index.retire(NodeID(rawValue: 2), ifItIs: nil)
      try index.watch(Watch(node: first.node, watcher: WatcherID(rawValue: .max), mask: .delete))
      return store
    }

    private func contents(of store: Store) throws -> [String] {
      var lines: [String] = []
      try store.read { contents, _ in
        lines.append(
          "\(contents.number) \(contents.incarnation) \(contents.limbo) \(contents.hasOverflowed) "
            + contents.filesystems.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.text)" }
            .joined())
      } append: { nodes in
        for node in nodes {
          let seen =
            (Node(node.id, node.record) ?? Node(node.id, node.record, spilled: node.handle))
          lines.append(
            "\(seen.seen) \(seen.since) \(node.inode.map { "\($0)" } ?? "") \(node.furtherParents) "
              + "\(node.aliases.map { "\($0.seen) \($0.since)" }) \(node.watches)")
        }
      }
      return lines
    }
  }
#endif
