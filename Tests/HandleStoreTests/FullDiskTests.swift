import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A full disk is an error like any other: never a SIGBUS, and nothing acknowledged is lost.
@Suite(.mounts) struct FullDiskTests {
  struct Disk: Sendable, CustomTestStringConvertible {
    let kind: VolumeKind
    let durability: Durability
    var testDescription: String { "\(kind), \(durability)" }

    func make() throws -> Volume {
      switch kind {
      case .ext4: try Volume(.ext4, megabytes: 16, format: ["-b", "4096"])
      default: try Volume(kind)
      }
    }
  }

  static let disks = [VolumeKind.ext4, .xfs, .btrfs, .tmpfs].flatMap { kind in
    Durability.allCases.map { Disk(kind: kind, durability: $0) }
  }

  /// What the durability makes no difference to is not tried with both everywhere.
  static let fewerDisks = disks.filter { $0.durability == .process || $0.kind == .ext4 }

  /// A worker that registers, and what it acknowledged.
  private struct Filling {
    let log: FilePath
    let child: Child

    init(_ store: FilePath, _ disk: Disk, _ logs: TemporaryDirectory) throws {
      log = logs.appending("log")
      child = try Child(
        "storeworker", ["fill", store.string, disk.durability.rawValue, log.string])
    }

    func register(_ count: Int) -> String? {
      child.send("\(count)")
      return child.line() ?? "ended with \(child.wait())"
    }

    /// Closes the store, and holds it to what was acknowledged.
    func finish(_ store: FilePath) throws {
      child.endInput()
      #expect(child.line() == "closed")
      #expect(child.wait() == 0)
      var witness = Witness()
      witness.read(try AcknowledgementLog.lines(log))
      let opened = try Store(at: store)
      try witness.check(opened)
      try witness.checkAllNodes(opened)
      try opened.close()
      #expect(witness.findings.isEmpty)
    }
  }

  @Test(arguments: fewerDisks) func aStoreThatFillsItsDiskGoesOnLater(_ disk: Disk) throws {
    let volume = try disk.make()
    let store = volume.path.appending("store")
    let ballast = try Ballast(in: volume.path, leaving: 3 << 20)
    let logs = try TemporaryDirectory()
    let filling = try Filling(store, disk, logs)
    #expect(filling.child.line() == "open")
    #expect(filling.register(1_000_000) == "full")
    #expect(filling.register(1_000_000) == "full", "and again")
    try ballast.remove()
    #expect(filling.register(5_000) == "registered")
    try filling.finish(store)
  }

  @Test(arguments: fewerDisks) func aDiskFilledByOthersIsNoHarm(_ disk: Disk) throws {
    let volume = try disk.make()
    let store = volume.path.appending("store")
    let logs = try TemporaryDirectory()
    let filling = try Filling(store, disk, logs)
    #expect(filling.child.line() == "open")
    #expect(filling.register(15_000) == "registered")
    let ballast = try Ballast(in: volume.path)
    #expect(filling.register(1_000_000) == "full")
    try ballast.remove()
    #expect(filling.register(5_000) == "registered")
    try filling.finish(store)
  }

  /// Of one that writes in place.
  @Test(arguments: disks.filter { $0.kind != .btrfs })
  func aKilledProcessIsFollowedByAnotherOnAFullDisk(_ disk: Disk) throws {
    let volume = try disk.make()
    let store = volume.path.appending("store")
    let logs = try TemporaryDirectory()
    let first = try Filling(store, disk, logs)
    #expect(first.child.line() == "open")
    #expect(first.register(15_000) == "registered")
    let ballast = try Ballast(in: volume.path)
    first.child.kill()
    let others = try TemporaryDirectory()
    let second = try Filling(store, disk, others)
    #expect(second.child.line() == "open")
    #expect(second.register(1_000_000) == "full")
    try ballast.remove()
    #expect(second.register(5_000) == "registered")
    try second.finish(store)
    var witness = Witness()
    witness.read(try AcknowledgementLog.lines(first.log))
    try witness.check(try Store(at: store))
    #expect(witness.findings.isEmpty)
  }

  @Test(arguments: fewerDisks) func aSparseCopyOnAFullDiskIsNoHarm(_ disk: Disk) throws {
    let volume = try disk.make()
    let logs = try TemporaryDirectory()
    let original = logs.appending("original")
    let first = try Filling(original, disk, logs)
    #expect(first.child.line() == "open")
    #expect(first.register(15_000) == "registered")
    first.child.kill()

    let store = volume.path.appending("store")
    try succeed("cp", "-r", "--sparse=always", original.string, store.string)
    // Of no use in a copy; and a copy of it lacks the attribute that btrfs needs.
    if disk.kind == .btrfs { try unlink(store.appending("lock.mdb")) }
    try expectNoHarm(to: store, volume, disk.durability, logs, first.log)
  }

  /// A copy that shares its blocks with the original.
  @Test(arguments: Durability.allCases) func aSharedCopyOnAFullDiskIsNoHarm(
    _ durability: Durability
  ) throws {
    let disk = Disk(kind: .xfs, durability: durability)
    let volume = try disk.make()
    let logs = try TemporaryDirectory()
    let original = volume.path.appending("original")
    let first = try Filling(original, disk, logs)
    #expect(first.child.line() == "open")
    #expect(first.register(15_000) == "registered")
    first.child.kill()
    let store = volume.path.appending("store")
    try succeed("cp", "-r", "--reflink=always", original.string, store.string)
    try expectNoHarm(to: store, volume, durability, logs, first.log)
  }

  /// Fills the disk through a copy of a store, which then has what the original's log says.
  private func expectNoHarm(
    to store: FilePath, _ volume: Volume, _ durability: Durability, _ logs: TemporaryDirectory,
    _ log: FilePath
  ) throws {
    let ballast = try Ballast(in: volume.path, leaving: 64 << 10)
    let child = try Child(
      "storeworker", ["fill", store.string, durability.rawValue, logs.appending("2").string])
    if child.line() == "open" {
      child.send("1000000")
      #expect(child.line() == "full")
    }
    child.endInput()
    _ = child.rest()
    #expect(child.wait() >= 0, "no signal")
    try ballast.remove()
    var witness = Witness()
    witness.read(try AcknowledgementLog.lines(log))
    let opened = try Store(at: store)
    try witness.check(opened)
    try opened.close()
    #expect(witness.findings.isEmpty)
  }

  @Test(arguments: fewerDisks) func aStoreMadeOnAnAlmostFullDiskIsThereOrNot(_ disk: Disk) throws {
    let volume = try disk.make()
    let logs = try TemporaryDirectory()
    for blocks in [0, 1, 2, 3, 4, 6, 8, 16, 24, 40, 300] {
      let ballast = try Ballast(in: volume.path, leaving: blocks << 12)
      let store = volume.path.appending("store-\(blocks)")
      let log = logs.appending("log-\(blocks)")
      let child = try Child(
        "storeworker", ["fill", store.string, disk.durability.rawValue, log.string])
      let first = child.line()
      if first == "open" {
        child.send("100")
        #expect(["full", "registered"].contains(child.line()), "\(blocks) blocks")
      } else {
        #expect(first?.hasPrefix("error diskFull") == true, "\(blocks) blocks: \(first ?? "")")
      }
      child.endInput()
      _ = child.rest()
      #expect(child.wait() >= 0, "\(blocks) blocks: no signal")
      try ballast.remove()
      var witness = Witness()
      witness.read((try? AcknowledgementLog.lines(log)) ?? [])
      let opened = try Store(at: store)
      try witness.check(opened)
      let more = try opened.registerEach(500..<600, on: Synthetic.attach(to: opened))
      #expect(more.allSatisfy { $0.outcome == .created })
      try opened.close()
      #expect(witness.findings.isEmpty)
      try FileManager.default.removeItem(atPath: store.string)
    }
  }

  @Test(arguments: fewerDisks) func manyReadersOnAFullDiskAreNoHarm(_ disk: Disk) throws {
    let volume = try disk.make()
    let store = volume.path.appending("store")
    let logs = try TemporaryDirectory()
    let writer = try Filling(store, disk, logs)
    #expect(writer.child.line() == "open")
    #expect(writer.register(300) == "registered")
    let readers = try (0..<4).map { _ in try Child("storeworker", ["crowd", store.string, "ro"]) }
    for reader in readers { #expect(reader.line() == "open") }
    let ballast = try Ballast(in: volume.path)
    for reader in readers {
      reader.send("go")
      #expect(reader.line()?.hasPrefix("read ") == true)
      reader.endInput()
      #expect(reader.wait() == 0)
    }
    try ballast.remove()
    try writer.finish(store)
  }
}
