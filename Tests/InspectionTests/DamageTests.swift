import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// What a damaged page is full of.
enum Filling: CaseIterable {
  case zeros, ones, noise

  func bytes(_ count: Int, seed: Int) -> [UInt8] {
    switch self {
    case .zeros: return Array(repeating: 0, count: count)
    case .ones: return Array(repeating: 0xff, count: count)
    case .noise:
      var generator = SeededGenerator(seed: UInt64(seed))
      return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
  }
}

/// Each page of a store in turn is overwritten.
@Suite struct DamageTests {
  static let pageSize = 4096
  /// The pages that the newest commit does not use.
  static func freePages(_ path: FilePath) throws -> [Bool] {
    let file = try PageFile(in: OpenDirectory(path))
    let list = FreeList(file, try #require(file.newest))
    list.read()
    return (0..<file.pageCount).map(list.use.isFree)
  }

  @Test(arguments: Filling.allCases)
  func aDamagedPageIsNamed(_ filling: Filling) throws {
    let small = try SmallStore()
    for (page, isFree) in try Self.freePages(small.path).enumerated() {
      let copy = try small.copy()
      try overwrite(
        copy.data, at: page * Self.pageSize, filling.bytes(Self.pageSize, seed: page))
      let report = try copy.check()
      if isFree {
        #expect(report.isSound, "free page \(page): \(report.findings)")
      } else {
        #expect(report.findings.contains { $0.page == page }, "page \(page): \(report.findings)")
      }
    }
  }

  @Test(arguments: Filling.allCases)
  func aRepairKeepsWhatTheOtherPagesHave(_ filling: Filling) throws {
    let small = try SmallStore()
    for (page, isFree) in try Self.freePages(small.path).enumerated() {
      let copy = try small.copy()
      try overwrite(
        copy.data, at: page * Self.pageSize, filling.bytes(Self.pageSize, seed: page))
      let damaged = try bytes(of: copy.data)
      let report = try copy.repair()
      #expect(try bytes(of: #require(report.original)) == damaged)
      #expect(try copy.check().findings == [], "page \(page)")
      let store = try Store(at: copy.path)
      // A leaf of the nodes has some 70 of them; without a meta page the newest commit is lost.
      let wrong = try small.wrongAnswers(of: store, mayBeRetired: true)
      #expect(page < 2 ? wrong.count <= 1 : wrong == [], "page \(page): \(wrong)")
      let missing = try small.missing(in: store)
      #expect(missing == report.setAside && missing <= 70, "page \(page)")
      if isFree { #expect(missing == 0 && report.retired == 0) }
      try store.close()
    }
  }

  @Test func aChangedByteNeverMakesAWrongAnswer() throws {
    let seed = seed(usually: 1)
    var random = SeededGenerator(seed: seed)
    let small = try SmallStore()
    let original = try bytes(of: small.data)
    for turn in 0..<(100 * soak) {
      let copy = try small.copy()
      // Most of what matters stands at the beginning of a page.
      let page = Int.random(in: 0..<original.count / Self.pageSize, using: &random)
      let offset = Int.random(in: 0..<(turn % 2 == 0 ? 64 : Self.pageSize), using: &random)
      let place = page * Self.pageSize + offset
      try overwrite(
        copy.data, at: place, [original[place] ^ (1 << UInt8.random(in: 0..<8, using: &random))])
      guard let report = try? copy.check() else { continue }
      _ = try copy.repair()
      #expect(try copy.check().findings == [], "seed \(seed), byte \(place)")
      let store = try Store(at: copy.path)
      let wrong = try small.wrongAnswers(of: store, mayBeRetired: true)
      // A meta page has no checksum: the commit before it may be taken for the newest.
      #expect(page < 2 ? wrong.count <= 1 : wrong == [], "seed \(seed), byte \(place): \(wrong)")
      if report.isSound && page >= 2 { #expect(try small.missing(in: store) == 0) }
      try store.close()
    }
  }
}
