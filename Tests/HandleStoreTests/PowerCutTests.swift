import CTestSupport
import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// What a power cut leaves, by `FS_IOC_SHUTDOWN` in the middle of writing and another boot id behind
/// it. One machine at a time: a mount namespace that one makes keeps the mounts of another alive.
@Suite(.mounts, .serialized) struct PowerCutTests {
  struct Machine: Sendable, CustomTestStringConvertible {
    let kind: VolumeKind
    let durability: Durability
    var testDescription: String { "\(kind), \(durability)" }
  }

  static let machines = [VolumeKind.ext4, .xfs].flatMap { kind in
    Durability.allCases.map { Machine(kind: kind, durability: $0) }
  }

  /// A store on a filesystem that loses its power again and again.
  private struct Campaign {
    let machine: Machine
    let volume: Volume
    let directory: TemporaryDirectory
    var random: SeededGenerator
    var logs: [String] = []
    var torn = 0
    var registrations = 0
    var generation = 0
    var store: FilePath { volume.path.appending("store-\(generation)") }

    init(_ machine: Machine, seed: UInt64) throws {
      self.machine = machine
      volume = try Volume(machine.kind)
      directory = try TemporaryDirectory()
      random = SeededGenerator(seed: seed)
    }

    mutating func cut(_ number: Int) throws {
      let log = directory.appending("log-\(number)").string
      let child = try Child(
        "storeworker", ["write", store.string, machine.durability.rawValue, log, "\(number)"])
      // Sometimes while it starts.
      if !number.isMultiple(of: 5) { #expect(child.line() == "writing") }
      usleep(.random(in: 0..<60_000, using: &random))
      try withDirectory(volume.path) {
        #expect(ts_shut_down($0.rawValue, 2) == 0, "FS_IOC_SHUTDOWN without a log flush")
      }
      child.kill()
      if FileManager.default.fileExists(atPath: log) { logs.append(log) }
      try volume.unmount()
      try volume.mount(extra: [])
    }

    /// Opens the store as after a boot.
    mutating func verify(_ number: Int) throws {
      guard FileManager.default.fileExists(atPath: store.string) else { return }
      let before = try size()
      let child = try Child(
        afterBoot: [product("storeworker"), "verify", store.string, machine.durability.rawValue]
          + logs, directory)
      let lines = child.rest()
      if machine.durability == .process && lines.hasPrefix("error torn") {
        #expect(try size() == before, "nothing was deleted")
        torn += 1
        generation += 1
        logs = []
        return
      }
      #expect(child.wait() == 0 && !lines.contains("finding"), "cut \(number): \(lines)")
      let count = lines.split(separator: " ").last.flatMap { Int($0.dropLast()) } ?? 0
      #expect(lines.hasPrefix("verified \(count)"), "cut \(number): \(lines)")
      registrations = max(registrations, count)
    }

    private func size() throws -> Int {
      let path = store.appending("data.mdb").string
      guard FileManager.default.fileExists(atPath: path) else { return 0 }
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      return (attributes[.size] as? NSNumber)?.intValue ?? 0
    }
  }

  @Test(arguments: machines) func aPowerCutIsSurvivedOrNoticed(_ machine: Machine) throws {
    let seed = seed(usually: 5)
    var campaign = try Campaign(machine, seed: seed)
    for number in 1...(10 * soak) {
      try campaign.cut(number)
      try campaign.verify(number)
    }
    #expect(campaign.registrations > 0, "seed \(seed): something was acknowledged")
  }
}
