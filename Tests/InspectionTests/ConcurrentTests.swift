import Foundation
import Glibc
import HandleStore
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Checks and backups of a store to which another process writes.
@Suite struct ConcurrentTests {
  private let directory: TemporaryDirectory
  private var path: FilePath { directory.appending("store") }
  private var end: FilePath { directory.appending("end") }
  private var beginning: FilePath { directory.appending("beginning") }

  init() throws { directory = try TemporaryDirectory() }

  /// Runs a body while a process registers, replaces and retires.
  private func whileWriting(
    _ durability: Durability, _ body: @escaping @Sendable () throws -> Void
  ) async throws {
    let place = directory.path.string
    let (beginning, end) = (beginning, end)
    // A thread of its own: waiting for the process takes up those of the tasks.
    let result = Outcome()
    Thread.detachNewThread {
      while access(beginning.string, F_OK) != 0 { usleep(5000) }
      let outcome = Result { try body() }
      result.set(outcome)
      try? TestSupport.write("", to: end)
    }
    await #expect(processExitsWith: .success) {
      [place = place as String, durability = durability.rawValue as String] in
      try Writing.run(place, durability)
    }
    try result.get()
  }

  @Test(arguments: [Durability.process, .power])
  func aCheckBesideAWriter(_ durability: Durability) async throws {
    try await whileWriting(durability) {
      var last = 0
      for _ in 0..<6 {
        let report = try Store.check(at: path)
        #expect(report.findings == [])
        #expect(report.nodes >= last)
        last = report.nodes
      }
      #expect(last > 0)
    }
    #expect(try Store.check(at: path).findings == [])
  }

  /// A slow disk stops a writer in the middle of its commit.
  @Test func aCheckBesideAWriterThatIsStopped() throws {
    let writer = try Child(
      "storeworker", ["write", path.string, "power", directory.appending("log").string, "1"])
    defer { writer.kill() }
    #expect(writer.line() == "writing")
    let pid = writer.pid
    for round in 0..<10 {
      usleep(UInt32(1000 + round * 217))
      kill(pid, SIGSTOP)
      let isDone = Atomic(false)
      let pauses = Thread {
        // The writer runs only now and then, so that the store stays small.
        while !isDone.load(ordering: .relaxed) {
          usleep(300_000)
          kill(pid, SIGCONT)
          usleep(2000)
          kill(pid, SIGSTOP)
        }
      }
      pauses.start()
      #expect(try Store.check(at: path).findings == [], "round \(round)")
      isDone.store(true, ordering: .relaxed)
      while !pauses.isFinished { usleep(1000) }
      kill(pid, SIGCONT)
    }
  }

  @Test func aBackupBesideAWriter() async throws {
    try await whileWriting(.process) {
      for i in 0..<3 {
        let store = try Store(at: path, options: StoreOptions(readOnly: true))
        let target = directory.appending("backup-\(i)")
        try store.backup(to: target)
        try store.close()
        let report = try Store.check(at: target)
        #expect(report.findings == [] && report.nodes > 0)
        let copy = try Store(at: target)
        let filesystem = try Synthetic.attach(to: copy)
        let new = try copy.register(Synthetic.file(1 << 50), on: filesystem)
        #expect(new.outcome == .created && new.node.rawValue > 1 << 40)
        try copy.close()
      }
    }
  }

  @Test func aRepairBesideAWriterIsRefused() async throws {
    try await whileWriting(.process) {
      #expect {
        try Store.repair(at: path)
      } throws: { error in
        if case .inUse(_, let pid?) = error as? StoreError { pid != getpid() } else { false }
      }
    }
    #expect(try Store.check(at: path).findings == [])
  }
}

/// What a thread came to.
private final class Outcome: Sendable {
  private let result = Mutex<Result<Void, any Error>>(.success(()))

  func set(_ outcome: Result<Void, any Error>) { result.withLock { $0 = outcome } }
  func get() throws { try result.withLock { try $0.get() } }
}

/// What the writing process does until there is a file `end`.
enum Writing {
  static func run(_ place: String, _ durability: String) throws {
    let directory = FilePath(place)
    let store = try Store(
      at: directory.appending("store"),
      options: StoreOptions(durability: Durability(rawValue: durability) ?? .process))
    let filesystem = try Synthetic.attach(to: store)
    var random = SeededGenerator(seed: 1)
    var turn: UInt32 = 0
    while access(directory.appending("end").string, F_OK) != 0 {
      turn += 1
      // A store that grew as fast as it can would leave the checks behind.
      usleep(turn < 200 ? 500 : 20_000)
      let batch = (0..<UInt64(20)).map { _ in
        Synthetic.file(.random(in: 0..<20_000, using: &random), generation: turn / 50)
      }
      let found = try store.register(batch: batch, on: filesystem)
      if turn % 3 == 0 { try store.retire(found[0].node) }
      let opaque = UInt64.random(in: 0..<500, using: &random)
      _ = try store.register(
        Synthetic.opaque(opaque, length: 30 + Int(turn % 3)),
        status: FileStatus(inode: opaque, mode: Synthetic.mode), on: filesystem)
      if turn == 20 { try write("", to: directory.appending("beginning")) }
    }
    try store.close()
  }
}
