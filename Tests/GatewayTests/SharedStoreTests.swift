import Foundation
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

/// What must hold of a store that several gateways share.
@Suite(.server) struct SharedStoreTests {
  @Test func aFileIsOneNode() throws {
    let gateways = try Gateways()
    let stores = try ["a", "b", "c"].map { try gateways.open($0) }
    let filesystems = try stores.map { try Synthetic.attach(to: $0) }
    #expect(Set(filesystems).count == 1)
    #expect(Set(stores.map(\.incarnation)).count == 1)
    let files = 60
    let found = try inThreads(6) { thread in
      let store = stores[thread % 3]
      return try (0..<files).map { i in
        // Threads meet each other from both ends.
        let file = Synthetic.file(UInt64(thread < 3 ? i : files - 1 - i))
        return (file.status.inode, try store.register(file, on: filesystems[thread % 3]))
      }
    }.flatMap { $0 }
    for inode in 0..<UInt64(files) {
      let registrations = found.filter { $0.0 == inode }.map(\.1)
      #expect(Set(registrations.map(\.node)).count == 1)
      #expect(registrations.filter { $0.outcome == .created }.count == 1)
    }
    #expect(Set(found.map(\.1.node)).count == files)
    for store in stores { try store.close() }
  }

  @Test(.serverAndMounts) func anIDIsGoodAtEveryGateway() throws {
    let volume = try Volume(.ext4)
    let gateways = try Gateways()
    let (a, b) = (try gateways.open("a"), try gateways.open("b"))
    let onA = try a.attach(volume.path)
    let onB = try b.attach(volume.path)
    #expect(onA == onB)
    try write("hello", to: volume.path.appending("file"))
    let node = try a.register("file", in: volume.path, on: onA).node
    #expect(try b.contents(node) == "hello")
    #expect(try b.register("file", in: volume.path, on: onB).outcome == .existing)
    // A process that was killed keeps its ids: another one takes its name over.
    let again = try gateways.open("a")
    _ = try again.attach(volume.path)
    #expect(try again.contents(node) == "hello")
    for store in [again, b] { try store.close() }
  }

  /// A reuse that one gateway sees makes the old node stale at the other, and until that hears of it,
  /// the node's id opens nothing.
  @Test(.serverAndMounts) func aReuseIsSeenEverywhere() throws {
    let volume = try Volume(.ext4, megabytes: 4, format: ["-N", "32"])
    let gateways = try Gateways()
    let (a, b) = (try gateways.open("a"), try gateways.open("b", lease: .seconds(2)))
    let filesystem = try a.attach(volume.path)
    _ = try b.attach(volume.path)
    var reuses = 0
    for round in 0..<30 {
      let name = "file-\(round)"
      try write(name, to: volume.path.appending(name))
      let found = try a.register(name, in: volume.path, on: filesystem)
      if case .replaced(let old) = found.outcome {
        reuses += 1
        // In memory, the node may still be live there.
        #expect(throws: StoreError.stale(old)) { try b.open(old) }
        #expect(try b.node(old)?.state == .stale)
      }
      // Known to both from here on.
      #expect(try b.contents(found.node) == name)
      try unlink(volume.path.appending(name))
    }
    #expect(reuses > 10)
    for store in [a, b] { try store.close() }
  }

  @Test func aChangeIsHeardOf() throws {
    let gateways = try Gateways()
    let (a, b) = (try gateways.open("a"), try gateways.open("b", lease: .seconds(1)))
    let filesystem = try Synthetic.attach(to: a)
    let node = try a.register(Synthetic.file(1), on: filesystem).node
    // From here on it is in b's memory, and nobody asks the kernel.
    #expect(try b.node(node)?.state == .live)
    #expect(try b.node(node)?.state == .live)
    #expect(b.statistics.cacheHits > 0)
    try a.retire(node)
    #expect(try becomes { try b.node(node)?.state == .stale })
    // A gateway that joins later tells the others, too.
    let c = try gateways.open("c")
    _ = try Synthetic.attach(to: c)
    let other = try c.register(Synthetic.file(2), on: filesystem).node
    #expect(try b.node(other)?.state == .live)
    try c.retire(other)
    #expect(try becomes { try b.node(other)?.state == .stale })
    for store in [a, b, c] { try store.close() }
  }

  /// One gateway retires a node while another one finds its file in another directory.
  @Test func aStaleNodeStaysStale() throws {
    let gateways = try Gateways()
    // Nothing is found in memory.
    let stores = try ["a", "b"].map { try gateways.open($0, StoreOptions(cacheSize: 0)) }
    let filesystem = try Synthetic.attach(to: stores[0])
    _ = try Synthetic.attach(to: stores[1])
    for key in 0..<150 as Range<UInt64> {
      let node = try stores[0].register(Synthetic.file(key), on: filesystem).node
      _ = try inThreads(2) { thread in
        if thread == 0 {
          usleep(UInt32(key % 10) * 50)
          try stores[0].retire(node)
        } else {
          for parent in 1...3 as ClosedRange<UInt64> {
            let file = Synthetic.file(key, parent: NodeID(rawValue: parent))
            _ = try stores[1].register(file, on: filesystem)
          }
        }
      }
      #expect(try stores[1].node(node)?.state == .stale)
      let found = try stores[0].node(of: Synthetic.handle(key), on: filesystem)
      #expect(found == nil || found?.id != node)
    }
    for store in stores { try store.close() }
  }

  /// A change is told for as long as the longest lease of any gateway needs.
  @Test func leasesOfSeveralLengths() throws {
    let gateways = try Gateways()
    let quick = try gateways.open("quick", lease: .seconds(1))
    let slow = try gateways.open("slow", lease: .seconds(30))
    let filesystem = try Synthetic.attach(to: quick)
    let node = try quick.register(Synthetic.file(1), on: filesystem).node
    #expect(try slow.node(node)?.state == .live)
    try quick.retire(node)
    // The one renews its lease every six seconds, the other one five times a second.
    #expect(try becomes { try slow.node(node)?.state == .stale })
    for store in [quick, slow] { try store.close() }
  }

  @Test func deletionsAreToldOnce() throws {
    let gateways = try Gateways()
    let stores = try ["a", "b", "c", "d"].map { try gateways.open($0) }
    let filesystem = try Synthetic.attach(to: stores[0])
    let nodes = try (0..<400).map {
      try stores[0].register(Synthetic.file($0), on: filesystem).node
    }
    for (i, node) in nodes.enumerated() {
      try stores[i % 4].watch(node, mask: .deleteSelf, by: WatcherID(rawValue: .max))
    }
    for (i, node) in nodes.enumerated() { try stores[(i + 1) % 4].retire(node) }
    let told = try inThreads(4) { thread in
      var told: [NodeID] = []
      while true {
        let some = try stores[thread].deletions(atMost: 3)
        #expect(!some.overflowed)
        if some.isEmpty { return told }
        told += some.nodes
      }
    }.flatMap { $0 }
    #expect(told.sorted() == nodes)
    for store in stores { try store.close() }
  }

  @Test(.serverAndMounts) func aTokenIsGoodAtEveryGateway() throws {
    let volume = try Volume(.ext4)
    let gateways = try Gateways()
    let (a, b) = (try gateways.open("a"), try gateways.open("b"))
    try write("hello", to: volume.path.appending("file"))
    _ = try a.attach(volume.path)
    _ = try b.attach(volume.path)
    let folder = try FileDescriptor.open(volume.path, .readOnly, options: .directory)
    defer { try? folder.close() }
    _ = try a.addExport("home", roots: [folder])
    let (fromA, fromB) = (try a.openExport("home"), try b.openExport("home"))
    let found = try #require(try fromA.lookup("file", in: .node(.root)))
    let file = try fromB.open(.token(found.token), as: .readOnly)
    #expect(try file.closeAfter { try readAll(file) } == "hello")
    for store in [a, b] { try store.close() }
  }

  @Test(.serverAndMounts) func exportsOfTwoGateways() throws {
    let volume = try Volume(.ext4)
    let gateways = try Gateways()
    let stores = [try gateways.open("a"), try gateways.open("b")]
    let folder = try FileDescriptor.open(volume.path, .readOnly, options: .directory)
    defer { try? folder.close() }
    // The other gateway need not have heard of the filesystem.
    _ = try stores[0].addExport("first", roots: [folder])
    _ = try stores[1].openExport("first")
    let numbers = try inThreads(2) { thread in
      try (0..<10).map {
        try stores[thread].addExport("\(thread)-\($0)", roots: [folder]).record.id
      }
    }.flatMap { $0 }
    #expect(Set(numbers).count == 20)
    #expect(try stores[0].exports().count == 21)
    for store in stores { try store.close() }
  }

  /// One renewal of the lease brings a change, and a gateway that is new.
  @Test func aChangeBesideANewGateway() throws {
    let gateways = try Gateways()
    let (a, b) = (try gateways.open("a"), try gateways.open("b", lease: .seconds(3)))
    let filesystem = try Synthetic.attach(to: a)
    let nodes = try (0..<5).map { try a.register(Synthetic.file($0), on: filesystem).node }
    for node in nodes { #expect(try b.node(node)?.state == .live) }
    for (i, node) in nodes.enumerated() {
      try a.retire(node)
      let other = try gateways.open("other-\(i)")
      usleep(1_300_000)
      try other.close()
    }
    for node in nodes { #expect(try b.node(node)?.state == .stale) }
    for store in [a, b] { try store.close() }
  }

  /// A dump is put back while the server of the database goes on.
  @Test func aDumpThatWasPutBack() throws {
    let gateways = try Gateways()
    let directory = try TemporaryDirectory()
    let dump = directory.appending("dump").string
    let a = try gateways.open("a")
    let filesystem = try Synthetic.attach(to: a)
    _ = try a.register(Synthetic.file(1), on: filesystem)
    try DatabaseServer.program("pg_dump", "-d", gateways.database, "-Fc", "-f", dump)
    let b = try gateways.open("b")
    let before = try b.register(Synthetic.file(2), on: filesystem).node
    for store in [a, b] { try store.close() }
    try DatabaseServer.program("pg_restore", "--clean", "-d", gateways.database, dump)
    let c = try gateways.open("c")
    #expect(try c.register(Synthetic.file(3), on: filesystem).node != before)
    try c.close()
  }

  @Test func whatIsNotAStore() throws {
    let database = try Gateways()
    #expect(throws: StoreError.self) { try database.open("") }
    #expect(throws: StoreError.self) { try database.open("a", lease: .milliseconds(1)) }
    #expect(throws: StoreError.self) {
      try database.open("a", StoreOptions(readOnly: true))
    }
    let error = #expect(throws: StoreError.self) {
      try Store(
        shared: "host=/nowhere dbname=nodes password=secret", gateway: "a",
        gatewayOptions: GatewayOptions(patience: .seconds(1)))
    }
    #expect(error?.errno == .timedOut)
    #expect(error?.description.contains("secret") == false)
  }
}
