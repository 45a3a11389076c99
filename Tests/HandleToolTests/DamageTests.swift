import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Damages of many kinds, and what each command makes of them. None ends by a signal, and none claims
/// that all is well if something is missing.
@Suite(.opensHandles) struct DamageTests {
  private let place: Workplace
  private let sound: [UInt8]
  private let rows: Set<UInt64>

  init() throws {
    place = try Workplace.indexed()
    for i in 0..<200 { try write("", to: place.path("more-\(i)")) }
    try output(of: "index", place.store, place.tree)
    try output(of: "export", "add", place.store, "e", place.tree)
    sound = try Array(Data(contentsOf: URL(fileURLWithPath: "\(place.store)/data.mdb")))
    rows = Set(try place.nodes().compactMap { $0.number("node") })
  }

  @Test func everyCommandSaysWhatIsWrong() throws {
    let seed = seed(usually: 15)
    var random = SeededGenerator(seed: seed)
    for round in 0..<(8 * soak) {
      let damage = Damage(of: sound, using: &random)
      try put(damage.bytes)
      let told = "seed \(seed), round \(round): \(damage.what)"
      let isSound = try expect([0, 1, 3], told, "check").status == 0
      let dumped = try expect([0, 3], told, "dump", place.store, "--format", "json")
      #expect((dumped.status == 0) == isSound, "\(told)")
      if dumped.status == 0 {
        let found = Set(try objects(dumped.output).compactMap { $0.number("node") })
        #expect(found == rows, "\(told)")
      }
      try expect([isSound ? 0 : 3], told, "stat")
      try expect([isSound ? 0 : 3], told, "backup", place.store, "\(place.store)-copy")
      try? FileManager.default.removeItem(atPath: "\(place.store)-copy")
      try expect([0, 3], told, "open", place.store, "\(rows.randomElement(using: &random) ?? 2)")
      try expect([0, 3], told, "export", "list", place.store)
      try expect([0, 3], told, "token", place.store, "e", "--node", "5")
      switch round % 3 {
      case 0: try expect([isSound ? 0 : 3], told, "verify")
      case 1:
        try expect([isSound ? 0 : 3], told, "prune", place.store, "--keep", "0")
        try expect([isSound ? 0 : 3], told, "index", place.store, place.tree)
      default: try repair(damage, told)
      }
    }
  }

  private func repair(_ damage: Damage, _ told: String) throws {
    let repaired = try expect([0, 1, 3], told, "repair", place.store, "--json")
    // Where nothing says that this is a store, or of which version, there is nothing to repair.
    guard repaired.status != 3 else { return #expect(damage.hitsMeta, "\(told)") }
    try expect([0], told, "check")
    let lost = rows.count - (try place.nodes().count)
    #expect(repaired.status == 1 || lost == 0, "\(told)")
  }

  @discardableResult
  private func expect(
    _ statuses: Set<Int32>, _ told: String, _ command: String, _ arguments: String...
  ) throws -> CommandResult {
    let words = [command] + (arguments.isEmpty ? [place.store] : arguments)
    let result = try run([Commands.handlestore] + words)
    #expect(statuses.contains(result.status), "\(told): \(words): \(result.errors)")
    let ways = ["handlestore repair", "handlestore check", "not a handle store", "format version"]
    #expect(
      result.status != 3 || ways.contains { result.errors.contains($0) },
      "\(told): \(words) tells no way out: \(result.errors)")
    return result
  }

  private func put(_ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(place.store)/data.mdb"))
    try? FileManager.default.removeItem(atPath: "\(place.store)/lock.mdb")
  }

  /// LMDB follows a branch to a page that is far behind the end of its map, which check does not do.
  @Test func aCrashInLMDBIsAnErrorToo() throws {
    var bytes = sound
    // Every branch page's first children, whatever table they are of.
    for page in 2..<(bytes.count / 4096) where bytes[page * 4096 + 10] == 1 {
      let offset = Int(bytes[page * 4096 + 16]) | Int(bytes[page * 4096 + 17]) << 8
      bytes.replaceSubrange(
        (page * 4096 + offset)..<(page * 4096 + offset + 6), with: [0, 0, 0, 0xff, 0xff, 0x7f])
    }
    try #require(bytes != sound)
    try put(bytes)
    let opened = try handlestore("open", place.store, "2")
    #expect(opened.status == 3, "\(opened.errors)")
    #expect(opened.errors.contains("handlestore repair"))
  }

  @Test(arguments: [nil, 0, 10_000]) func aLossIsTold(_ left: Int?) throws {
    if let left {
      try put(Array(sound.prefix(left)))
    } else {
      try FileManager.default.removeItem(atPath: "\(place.store)/data.mdb")
    }
    let checked = try handlestore("check", place.store)
    #expect(checked.status == 1)
    #expect(checked.output.contains("up to \(rows.count) nodes that"), "\(checked.output)")
    let repaired = try handlestore("repair", place.store, "--json")
    #expect(repaired.status == 1)
    let report = try figures(repaired.output)
    let kept = try #require(report.number("kept"))
    #expect(report.number("may_be_lost") == UInt64(rows.count) - kept)
    #expect(repaired.errors.contains("may be lost"))
    try output(of: "check", place.store)
    // Nothing is lost any more.
    try output(of: "repair", place.store)
  }
}

/// One damage of a store's data.
struct Damage {
  private static let page = 4096
  private(set) var bytes: [UInt8]
  private(set) var what = ""
  private(set) var hitsMeta = false

  init(of sound: [UInt8], using random: inout SeededGenerator) {
    bytes = sound
    let kind = Int.random(in: 0..<7, using: &random)
    for _ in 0..<(Bool.random(using: &random) ? 1 : Int.random(in: 2..<4, using: &random)) {
      damage(kind, using: &random)
    }
  }

  private mutating func damage(_ kind: Int, using random: inout SeededGenerator) {
    let page = Int.random(in: 0..<bytes.count / Self.page, using: &random)
    let other = Int.random(in: 0..<bytes.count / Self.page, using: &random)
    let all = 0..<Self.page
    switch kind {
    case 0: put(Array(repeating: 0, count: Self.page), page, 0, "zeros")
    case 1: put(noise(Self.page, &random), page, 0, "noise")
    case 2: put(Array(bytes[all.shifted(by: other * Self.page)]), page, 0, "page \(other)")
    case 3:
      let place = Int.random(in: 0..<64, using: &random)
      let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &random)
      put([bytes[page * Self.page + place] ^ bit], page, place, "a bit")
    case 4:
      let place = Int.random(in: 0..<(Self.page - 8), using: &random)
      put(noise(Int.random(in: 1...8, using: &random), &random), page, place, "bytes")
    case 5:
      let place = 2 * Int.random(in: 4..<40, using: &random)
      put(
        [[0, 0], [0xff, 0xff], [0xff, 0x7f], [1, 0]].randomElement(using: &random) ?? [],
        page, place, "a word")
    default:
      let place = Int.random(in: 16..<Self.page, using: &random)
      put(Array(repeating: 0, count: Self.page - place), page, place, "a torn tail")
    }
  }

  private mutating func put(_ new: [UInt8], _ page: Int, _ place: Int, _ kind: String) {
    let start = page * Self.page + place
    bytes.replaceSubrange(start..<(start + new.count), with: new)
    what += "\(kind) at \(place) of page \(page); "
    hitsMeta = hitsMeta || page < 2
  }

  private func noise(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
  }
}

extension Range<Int> {
  fileprivate func shifted(by offset: Int) -> Range<Int> {
    (lowerBound + offset)..<(upperBound + offset)
  }
}
