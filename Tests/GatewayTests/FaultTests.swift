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
    for _ in 0..<(3 * soak) {
      for fault in Fault.allCases.shuffled(using: &campaign.random) {
        try campaign.inflict(fault)
      }
    }
    let witness = try campaign.end()
    #expect(witness.findings.isEmpty, "seed \(seed)")
    #expect(witness.registrations > 1000)
  }
}
