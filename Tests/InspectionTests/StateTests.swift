import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// The file `state`, damaged or gone, beside sound data.
@Suite struct StateTests {
  private let small: SmallStore
  private let copy: StoreCopy

  init() throws {
    small = try SmallStore()
    copy = try small.copy()
  }

  /// Repairs a store of which the state is not known, and sees that no id can come back.
  private func repairWithoutState(original: [UInt8]?) throws {
    let old = try #require(try StateFile.read(in: OpenDirectory(small.path)))
    let report = try copy.repair()
    #expect(report.kept == small.nodes.count && report.setAside == 0 && report.retired == 0)
    #expect(try report.originalState.map { try bytes(of: $0) } == original)
    #expect(try copy.check().findings == [])
    let store = try Store(at: copy.path)
    #expect(store.incarnation != old.incarnation)
    #expect(try small.wrongAnswers(of: store) == [])
    #expect(try small.missing(in: store) == 0)
    let next = try store.register(Synthetic.file(1), on: Synthetic.attach(to: store)).node
    #expect(next.rawValue >= old.idBound + 1 << 40)
    try store.close()
  }

  @Test func noState() throws {
    try unlink(copy.state)
    #expect(try copy.check().findings.map(\.kind) == [.state])
    try repairWithoutState(original: nil)
  }

  @Test(arguments: Filling.allCases)
  func anotherState(_ filling: Filling) throws {
    let other = filling.bytes(200, seed: 1)
    try replace(other, to: copy.state)
    #expect(try copy.check().findings.map(\.kind) == [.state])
    try repairWithoutState(original: other)
  }

  @Test func aChangedState() throws {
    let text = try bytes(of: copy.state)
    for offset in stride(from: 14, to: text.count, by: 5) {
      var changed = text
      changed[offset] ^= 1
      try replace(changed, to: copy.state)
      #expect(try copy.check().findings.map(\.kind) == [.state], "\(offset)")
    }
    var changed = text
    changed[20] ^= 1
    try replace(changed, to: copy.state)
    try repairWithoutState(original: changed)
  }

  @Test func anotherVersion() throws {
    var text = String(decoding: try bytes(of: copy.state), as: UTF8.self)
    text.replace("handlestore 1", with: "handlestore 2")
    try write(text, to: copy.state)
    let refusal = StoreError.unsupportedVersion(found: 2, supported: 1)
    #expect(throws: refusal) { try copy.check() }
    #expect(throws: refusal) { try copy.repair() }
    #expect(try read(copy.state) == text)
  }

  @Test func noIDsLeft() throws {
    var state = try #require(try StateFile.read(in: OpenDirectory(copy.path)))
    state.idBound = .max - 3
    try state.write(in: OpenDirectory(copy.path))
    let store = try Store(at: copy.path)
    let error = #expect(throws: StoreError.self) {
      try store.register(Synthetic.file(1), on: Synthetic.attach(to: store))
    }
    #expect(error?.description.contains("no ids left") == true)
    #expect(try small.wrongAnswers(of: store) == [])
    try store.close()
  }

  @Test(arguments: [0, 1] as [UInt64]) func aBoundThatNoStoreHas(_ bound: UInt64) throws {
    var state = try #require(try StateFile.read(in: OpenDirectory(copy.path)))
    state.idBound = bound
    try state.write(in: OpenDirectory(copy.path))
    #expect(throws: StoreError.self) { try Store(at: copy.path) }
  }

  @Test func aBoundBelowTheIDs() throws {
    var state = try #require(try StateFile.read(in: OpenDirectory(copy.path)))
    state.idBound = 100
    try state.write(in: OpenDirectory(copy.path))
    let above = small.nodes.keys.count { $0.rawValue >= 100 }
    let report = try copy.check()
    #expect(report.findingCount == above && report.findings.allSatisfy { $0.kind == .nodeID })
    _ = try copy.repair()
    let highest = try #require(small.nodes.keys.max())
    #expect(try StateFile.read(in: OpenDirectory(copy.path))?.idBound == highest.rawValue + 1)
    #expect(try StateFile.read(in: OpenDirectory(copy.path))?.incarnation == state.incarnation)
    #expect(try copy.check().findings == [])
  }

  @Test func theLimitBoundsWhatIsDescribedAndNotWhatIsCounted() throws {
    var state = try #require(try StateFile.read(in: OpenDirectory(copy.path)))
    state.idBound = 100
    try state.write(in: OpenDirectory(copy.path))
    let all = try Store.check(at: copy.path).findingCount
    for limit in [0, 1, 17] {
      let report = try Store.check(at: copy.path, findings: limit)
      #expect(report.findings.count == limit && report.findingCount == all && !report.isSound)
    }
  }
}
