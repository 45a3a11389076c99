import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A store that the check finds sound can be read by LMDB: nothing in it ends the process, and nothing is
/// missing. Whoever reads after a check relies on that.
@Suite struct SoundnessTests {
  @Test func whatIsFoundSoundIsReadWhole() throws {
    let seed = seed(usually: 3)
    var random = SeededGenerator(seed: seed)
    let small = try SmallStore(plain: 500, spilled: 40)
    let original = try InspectionTests.bytes(of: small.data)
    for round in 0..<(15 * soak) {
      let copy = try small.copy()
      let place = try damage(original, copy, &random)
      guard let report = try? copy.check() else { continue }
      if report.isSound {
        try readAll(
          copy, small, isMeta: place < 8192, "seed \(seed), round \(round), byte \(place)")
      } else {
        try repair(copy, small, isMeta: place < 8192, "seed \(seed), round \(round), byte \(place)")
      }
    }
  }

  /// Returns where the damage begins.
  private func damage(
    _ original: [UInt8], _ copy: StoreCopy, _ random: inout SeededGenerator
  ) throws -> Int {
    let page = Int.random(in: 0..<original.count / 4096, using: &random)
    // Most of what matters stands at the beginning of a page.
    let offset = Int.random(in: 0..<(Bool.random(using: &random) ? 200 : 4088), using: &random)
    let place = page * 4096 + offset
    let count = Int.random(in: 1...8, using: &random)
    let new: [UInt8] =
      switch Int.random(in: 0..<4, using: &random) {
      case 0: [original[place] ^ (1 << UInt8.random(in: 0..<8, using: &random))]
      case 1: Array(repeating: Bool.random(using: &random) ? 0 : 0xff, count: count)
      case 2: (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      default:
        bytes(original, Int.random(in: 0..<original.count / 4096, using: &random), offset, count)
      }
    try overwrite(copy.data, at: place, new)
    return place
  }

  private func bytes(_ all: [UInt8], _ page: Int, _ offset: Int, _ count: Int) -> [UInt8] {
    Array(all[(page * 4096 + offset)...].prefix(count))
  }

  private func readAll(
    _ copy: StoreCopy, _ small: SmallStore, isMeta: Bool, _ told: String
  ) throws {
    let store = try Store(at: copy.path, options: StoreOptions(readOnly: true))
    var found: Set<NodeID> = []
    var next: NodeID? = .root
    while let start = next {
      let page = try store.nodes(from: start)
      found.formUnion(page.nodes.map(\.id))
      next = page.next
    }
    // A meta page has no checksum: the commit before it may be the newest.
    #expect(small.nodes.count - found.count <= (isMeta ? 1 : 0), "\(told)")
    let wrong = try small.wrongAnswers(of: store)
    #expect(wrong.count <= (isMeta ? 1 : 0), "\(told): \(wrong)")
    #expect(try store.summary().nodes == found.count, "\(told)")
    let backup = copy.directory.path.appending("backup")
    try store.backup(to: backup)
    #expect(try Store.check(at: backup).findings == [], "\(told)")
    try store.close()
  }

  private func repair(
    _ copy: StoreCopy, _ small: SmallStore, isMeta: Bool, _ told: String
  ) throws {
    guard let report = try? copy.repair() else { return #expect(isMeta, "\(told)") }
    #expect(try copy.check().findings == [], "\(told)")
    let store = try Store(at: copy.path)
    let missing = try small.missing(in: store)
    #expect(!report.isWithoutLoss || missing <= (isMeta ? 1 : 0), "\(told): \(missing) missing")
    try store.close()
  }
}
