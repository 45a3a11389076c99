import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Whatever else can be in the way of a store: each thing has an error of its own.
@Suite struct LimitTests {
  @Test(.mounts) func aReadOnlyDirectoryIsOnlyRead() throws {
    let test = try TestStore()
    let node = try test.store.register(
      Synthetic.file(1), on: test.store.attach(Synthetic.directory)
    ).node
    try test.store.close()
    let directory = try TemporaryDirectory()
    let mount = try Mount(["-o", "bind,ro", test.path.string], at: directory.appending("ro"))
    let error = #expect(throws: StoreError.self) { try Store(at: mount.path) }
    #expect(error?.description.contains("Read-only file system") == true)
    let store = try Store(at: mount.path, options: StoreOptions(readOnly: true))
    #expect(try store.node(node)?.state == .live)
    #expect(throws: StoreError.readOnly) { try store.retire(node) }
    #expect(throws: StoreError.readOnly) {
      try store.register(Synthetic.file(2), on: store.attach(Synthetic.directory))
    }
    try store.close()
    try mount.unmount()
  }

  /// LMDB could not tell the writer of such a reader.
  @Test(.mounts) func aReaderOnAReadOnlyMountAndAWriterKeepApart() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    let child = try Child("storeworker", ["hold", path.string])
    #expect(child.line() == "open")
    let mount = try Mount(["-o", "bind,ro", path.string], at: directory.appending("ro"))
    let options = StoreOptions(readOnly: true)
    #expect(throws: StoreError.inUse(path: mount.path, pid: child.pid)) {
      try Store(at: mount.path, options: options)
    }
    child.kill()
    let reader = try Store(at: mount.path, options: options)
    let writer = try Child("storeworker", ["hold", path.string])
    #expect(writer.line() != "open")
    writer.kill()
    try reader.close()
    try Store(at: path).close()
    try mount.unmount()
  }

  @Test(.mounts) func noDescriptorsAreLeftForAWhile() throws {
    let volume = try Volume(.tmpfs)
    try write("text", to: volume.path.appending("file"))
    let directory = try TemporaryDirectory()
    let child = try Child(
      "storeworker",
      ["descriptors", directory.appending("store").string, volume.path.string])
    let lines = child.rest().split(separator: "\n")
    #expect(
      lines == [
        "open tooManyOpenFiles", "path tooManyOpenFiles", "store tooManyOpenFiles",
        "mounted tooManyOpenFiles", "sockets tooManyOpenFiles", "found tooManyOpenFiles",
        "probe tooManyOpenFiles", "usable",
      ])
    #expect(child.wait() == 0)
  }

  @Test func aSecondWriterIsToldWhoWrites() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    let child = try Child("storeworker", ["hold", path.string])
    #expect(child.line() == "open")
    #expect(throws: StoreError.inUse(path: path, pid: child.pid)) { try Store(at: path) }
    let reader = try Store(at: path, options: StoreOptions(readOnly: true))
    try reader.close()
    child.kill()
    try Store(at: path).close()
  }

  @Test func aSecondOpenInTheSameProcessIsRefused() throws {
    let test = try TestStore()
    #expect(throws: StoreError.alreadyOpen(path: test.path)) { try Store(at: test.path) }
    #expect(throws: StoreError.alreadyOpen(path: test.path)) {
      try Store(at: test.path, options: StoreOptions(readOnly: true))
    }
    try test.store.close()
    try Store(at: test.path).close()
  }

  @Test func aStoreThatFailedToOpenCanBeOpenedLater() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    let child = try Child("storeworker", ["hold", path.string])
    #expect(child.line() == "open")
    for _ in 0..<3 { #expect(throws: StoreError.self) { try Store(at: path) } }
    child.kill()
    try Store(at: path).close()
  }

  @Test(arguments: Durability.allCases) func readersFollowAWriterThatGrows(
    _ durability: Durability
  ) throws {
    let test = try TestStore(StoreOptions(durability: durability))
    let id = try test.store.attach(Synthetic.directory)
    let readers = try (0..<3).map { _ in try Child("storeworker", ["readers", test.path.string]) }
    for reader in readers { #expect(reader.line() == "open") }
    for batch in 0..<UInt64(40) {
      let inodes = (batch * 1000)..<((batch + 1) * 1000)
      _ = try test.store.register(batch: inodes.map { Synthetic.file($0) }, on: id)
    }
    for reader in readers {
      var last = ""
      while last != "40000", !last.hasPrefix("error"), let line = reader.line() { last = line }
      #expect(last == "40000")
      reader.kill()
    }
    try test.store.close()
  }

  /// Readers that were killed in the middle hold neither pages nor places.
  @Test func killedReadersHoldNothing() throws {
    let test = try TestStore()
    let id = try test.store.attach(Synthetic.directory)
    _ = try test.store.register(batch: (0..<2_000).map { Synthetic.file($0) }, on: id)
    for _ in 0..<4 {
      let reader = try Child("storeworker", ["readers", test.path.string])
      #expect(reader.line() == "open")
      #expect(reader.line() == "2000")
      usleep(5_000)
      reader.kill()
    }
    for round in 0..<UInt32(100) {
      let reused = (0..<200).map { Synthetic.file($0, generation: round + 2) }
      _ = try test.store.register(batch: reused, on: id)
      _ = try test.store.evict(stale: .nodes(0))
    }
    let size = try FileManager.default.attributesOfItem(
      atPath: test.path.appending("data.mdb").string)[.size]
    #expect((size as? NSNumber)?.intValue ?? .max < 16 << 20)
    try test.store.close()
  }

  /// A thousand places for readers, and 17 × 64 readers that were killed.
  @Test func killedReadersLeaveTheirPlaces() throws {
    let test = try TestStore()
    let id = try test.store.attach(Synthetic.directory)
    _ = try test.store.registerEach(0..<100, on: id)
    for _ in 0..<17 {
      let reader = try Child("storeworker", ["crowd", test.path.string, "ro"])
      #expect(reader.line() == "open")
      reader.send("go")
      #expect(reader.line() == "read 100")
      reader.kill()
    }
    try test.store.close()
  }

  @Test func theChildOfAForkIsRefused() throws {
    let directory = try TemporaryDirectory()
    let child = try Child("storeworker", ["fork", directory.appending("store").string])
    let lines = child.rest().split(separator: "\n")
    #expect(lines.count == 12)
    #expect(lines.prefix(10).allSatisfy { $0.hasSuffix(" forked") })
    #expect(lines.suffix(2) == ["child 0", "parent fine"])
  }

  /// Its locks would be the child's too.
  @Test func aStoreIsOpenedAgainBesideTheChildOfAFork() throws {
    let directory = try TemporaryDirectory()
    let child = try Child("storeworker", ["orphan", directory.appending("store").string])
    #expect(child.rest() == "opened again\n")
  }

  @Test func aMapForWhichThereAreNoAddresses() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    let child = try Child("storeworker", ["addresses", path.string])
    #expect(child.rest() == "no addresses\nusable\n")
    #expect(child.wait() == 0)
    #expect(try Store.check(at: path).isSound)
  }

  @Test func aReaderSeesAFilesystemThatWasAttachedSince() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    let child = try Child("storeworker", ["hold", path.string])
    #expect(child.line() == "open")
    let reader = try Store(at: path, options: StoreOptions(readOnly: true))
    #expect(throws: StoreError.readOnly) { try reader.attach(Synthetic.directory) }
    child.send(Synthetic.directory.string)
    #expect(child.line() == "attached 1")
    #expect(try reader.attach(Synthetic.directory) == FilesystemID(rawValue: 1))
    try reader.close()
    child.kill()
  }

  @Test func aClosedStoreIsRefused() throws {
    let test = try TestStore()
    let id = try test.store.attach(Synthetic.directory)
    let node = try test.store.register(Synthetic.file(1), on: id).node
    try test.store.close()
    try test.store.close()
    let store = test.store
    #expect(throws: StoreError.closed) { try store.node(node) }
    #expect(throws: StoreError.closed) { try store.node(of: Synthetic.handle(1), on: id) }
    #expect(throws: StoreError.closed) { try store.nodes() }
    #expect(throws: StoreError.closed) { try store.register(Synthetic.file(1), on: id) }
    #expect(throws: StoreError.closed) { try store.register(batch: [], on: id) }
    #expect(throws: StoreError.closed) { try store.retire(node) }
    #expect(throws: StoreError.closed) { try store.evict(stale: .nodes(0)) }
    #expect(throws: StoreError.closed) { try store.open(node) }
    #expect(throws: StoreError.closed) { try store.attach(Synthetic.directory) }
    #expect(throws: StoreError.closed) { try store.attachMounted() }
  }
}
