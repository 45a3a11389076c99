import Glibc
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

/// Gateways that write all the time, while they and the database are killed and stopped: nothing that was
/// acknowledged is lost, no id is given to two files, and no file has two nodes.
@Suite(.server) struct FaultTests {
  private enum Fault: CaseIterable {
    case killGateway, stopGateway, killDatabase, stopDatabase
  }

  private struct Campaign {
    let server: DatabaseServer
    let gateways: Gateways
    let directory: TemporaryDirectory
    var random: SeededGenerator
    var workers: [Child] = []
    var runs = 0

    init(seed: UInt64) throws {
      server = try DatabaseServer()
      gateways = try Gateways(on: server)
      directory = try TemporaryDirectory()
      random = SeededGenerator(seed: seed)
      for number in 0..<3 { workers.append(try start(number)) }
    }

    private func log(_ run: Int) -> FilePath { directory.appending("log-\(run)") }

    mutating func start(_ number: Int) throws -> Child {
      runs += 1
      return try Child(
        "storeworker",
        ["gateway", gateways.database, "gateway-\(number)", log(runs).string, "\(runs)"])
    }

    mutating func inflict(_ fault: Fault) throws {
      usleep(.random(in: 0..<200_000, using: &random))
      let number = Int.random(in: 0..<3, using: &random)
      switch fault {
      case .killGateway:
        workers[number].kill()
        workers[number] = try start(number)
      case .stopGateway:
        // With or without the end of its lease, which is a second.
        kill(workers[number].pid, SIGSTOP)
        usleep(.random(in: 0..<1_600_000, using: &random))
        kill(workers[number].pid, SIGCONT)
      case .killDatabase:
        server.kill()
        try server.start()
      case .stopDatabase:
        server.pause()
        usleep(.random(in: 0..<1_600_000, using: &random))
        server.resume()
      }
    }

    /// Ends the gateways, and returns the witness of all that they were told.
    mutating func end() throws -> Witness {
      usleep(500_000)
      for worker in workers {
        #expect(worker.wait(seconds: 0) == nil, "\(worker.rest())")
        worker.kill()
      }
      var witness = Witness()
      // One that was killed at once has no log.
      witness.read((1...runs).flatMap { (try? AcknowledgementLog.lines(log($0))) ?? [] })
      let store = try gateways.open("witness")
      try witness.check(store)
      try witness.checkAllNodes(store)
      try store.close()
      return witness
    }
  }

  @Test func nothingIsLost() throws {
    let seed = seed(usually: 7)
    var campaign = try Campaign(seed: seed)
    for _ in 0..<(2 * soak) {
      for fault in Fault.allCases.shuffled(using: &campaign.random) {
        try campaign.inflict(fault)
      }
    }
    let witness = try campaign.end()
    #expect(witness.findings.isEmpty, "seed \(seed)")
    #expect(witness.registrations > 1000)
  }

  /// The server commits, and is killed before it can say so.
  @Test func aLostConfirmation() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let store = try gateways.open("a", lease: .seconds(60))
    let filesystem = try Synthetic.attach(to: store)
    let old = try store.register(Synthetic.file(1), on: filesystem).node
    let watched = try store.register(Synthetic.file(2), on: filesystem).node
    try store.watch(watched, mask: .deleteSelf, by: WatcherID(rawValue: 1))
    /// Makes a change whose confirmation is lost.
    func losing<R: Sendable>(_ change: @escaping @Sendable () throws -> R) throws -> R {
      let held = try HeldCommits(in: gateways)
      return try inThreads(2) { thread -> R? in
        if thread == 0 { return try change() }
        try held.awaitOne()
        server.kill()
        try server.resetSettings()
        try server.start()
        return nil
      }.compactMap { $0 }[0]
    }
    let created = try losing { try store.register(Synthetic.file(3), on: filesystem) }
    #expect(created.outcome == .created)
    #expect(try store.register(Synthetic.file(3), on: filesystem).node == created.node)
    let replaced = try losing {
      try store.register(Synthetic.file(1, generation: 2), on: filesystem)
    }
    #expect(replaced.outcome == .replaced(old))
    #expect(try losing { try store.retire(watched) })
    // Nobody can say which of them were taken, so the watchers must look for themselves.
    #expect(try losing { try store.deletions() }.overflowed)
    #expect(try store.nodes(in: .live).nodes.count == 2)
    try store.close()
  }

  /// A backup of the database knows nothing of the ids that were handed out after it was made.
  @Test func aBackupThatWasPutBack() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let store = try gateways.open("a", lease: .seconds(60))
    let filesystem = try Synthetic.attach(to: store)
    let kept = try store.register(Synthetic.file(0), on: filesystem).node
    server.kill()
    try server.saveData()
    var all: [NodeID] = []
    for round in 1...3 as ClosedRange<UInt64> {
      try server.start()
      // This one goes on all the time, the other one is new each time.
      let other = try gateways.open("b", lease: .seconds(2))
      for key in round * 100..<round * 100 + 20 {
        all.append(try store.register(Synthetic.file(key), on: filesystem).node)
        all.append(try other.register(Synthetic.file(key + 50), on: filesystem).node)
      }
      #expect(try other.node(kept)?.handle == Synthetic.handle(0))
      try other.close()
      server.kill()
      try server.putBackData()
    }
    #expect(Set(all).count == all.count)
    // What the backup does not know is not answered from memory either, once the gateway has met the
    // other database.
    try server.start()
    _ = try store.register(Synthetic.file(1000), on: filesystem)
    #expect(try store.node(all[0]) == nil)
    try store.close()
  }

  /// The server makes a copy of the database, in the same run, with the same files.
  @Test func aDatabaseThatIsACopy() throws {
    let gateways = try Gateways()
    let first = try gateways.open("a")
    let filesystem = try Synthetic.attach(to: first)
    _ = try first.register(Synthetic.file(0), on: filesystem)
    try first.close()
    let copy = try gateways.copy()
    let stores = try [gateways, copy].map { try $0.open("a") }
    let nodes = try zip(stores, [1, 2]).map { store, key in
      try store.register(Synthetic.file(key), on: filesystem).node
    }
    #expect(nodes[0] != nodes[1])
    for store in stores { try store.close() }
  }
}
