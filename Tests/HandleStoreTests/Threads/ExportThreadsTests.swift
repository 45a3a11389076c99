import Foundation
import HandleStore
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// One export used from many threads.
@Suite(.mounts) struct ExportThreadsTests {
  @Test(arguments: [Containment.cached, .kernel, .walk])
  func manyThreadsUseOneExport(_ containment: Containment) throws {
    let exported = try Exported(.ext4, containment)
    let (export, path) = (exported.export, exported.test.path)
    let names = try files(below: exported.inside).map(\.name).suffix(isSanitized ? 6 : 30)
    let tokens = try names.map { try exported.token($0) }
    let (here, there) = (exported.inside.appending("linked"), exported.outside.appending("moved"))
    let isOver = Atomic<Bool>(false)
    let mover = Thread {
      var turns = 0
      while !isOver.load(ordering: .relaxed) {
        try? TestSupport.rename(here, to: there)
        try? TestSupport.rename(there, to: here)
        turns += 1
        if turns < 50 { _ = try? Keyring.rotate(ofStoreAt: path, keeping: 100) }
      }
    }
    mover.start()
    let rounds = isSanitized ? 4 : 30
    let counts = try inThreads(4) { number in
      var passed = 0
      for round in 0..<rounds {
        for (name, token) in zip(names, tokens) where name != "linked" {
          passed += try export.status(token).links > 0 ? 1 : 0
          let entry = try export.lookup(.token(token))
          passed +=
            try export.status(export.token(for: entry.node, form: .reference)).inode > 0
            ? 1 : 0
        }
        let opened = try export.createOrOpen(
          FilePath("new-\(round)"), in: .node(.root), as: .readWrite, permissions: 0o600)
        try #require(opened.descriptor).close()
        passed += opened.wasCreated ? 1 : 0
      }
      return passed
    }
    isOver.store(true, ordering: .relaxed)
    while !mover.isFinished { usleep(1000) }
    #expect(counts.reduce(0, +) == 4 * rounds * 2 * (names.count - 1) + rounds)
    #expect(exported.store.statistics.gateRefusals.isEmpty)
    #expect(exported.store.statistics.admitted > 0)
  }
}
