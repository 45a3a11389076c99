import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// `kill -9` at any moment loses nothing that was acknowledged.
@Suite struct KillTests {
  /// One store, and the processes that write to it one after the other.
  private struct Campaign {
    let directory: TemporaryDirectory
    let durability: Durability
    var random: SeededGenerator
    var witness = Witness()
    var unread: [FilePath] = []
    var path: FilePath { directory.appending("store") }

    init(_ durability: Durability, seed: UInt64) throws {
      directory = try TemporaryDirectory()
      self.durability = durability
      random = SeededGenerator(seed: seed)
    }

    mutating func kill(_ run: Int) throws {
      let log = directory.appending("log-\(run)")
      let child = try Child(
        "storeworker", ["write", path.string, durability.rawValue, log.string, "\(run)"])
      // Mostly while it writes, sometimes while it starts.
      if !run.isMultiple(of: 8) { #expect(child.line() == "writing", "run \(run)") }
      usleep(.random(in: 0..<15_000, using: &random))
      child.kill()
      #expect(child.wait() == -SIGKILL, "run \(run): \(child.rest())")
      unread.append(log)
    }

    mutating func verify(closing: Bool) throws {
      let lines = unread.flatMap { (try? AcknowledgementLog.lines($0)) ?? [] }
      unread = []
      witness.read(lines)
      let store = try Store(
        at: path, options: StoreOptions(durability: durability, readOnly: !closing))
      try witness.check(store)
      try store.close()
      if closing { #expect(try Store.check(at: path).findings.isEmpty) }
    }
  }

  @Test(arguments: Durability.allCases) func nothingAcknowledgedIsLost(
    _ durability: Durability
  ) throws {
    let seed = seed(usually: 4)
    let runs = (isSanitized ? 20 : 200) * soak
    var campaign = try Campaign(durability, seed: seed)
    for run in 1...runs {
      try campaign.kill(run)
      if run.isMultiple(of: 10) { try campaign.verify(closing: run.isMultiple(of: 50)) }
      try #require(campaign.witness.findings.isEmpty, "seed \(seed), run \(run)")
    }
    #expect(try Store.check(at: campaign.path).findings.isEmpty, "seed \(seed)")
    let store = try Store(at: campaign.path)
    try campaign.witness.checkAllNodes(store)
    try store.close()
    #expect(campaign.witness.findings.isEmpty, "seed \(seed)")
    // On a slow disk, a worker is often killed before its first commit.
    #expect(campaign.witness.registrations > runs / 20, "the workers wrote something")
  }
}
