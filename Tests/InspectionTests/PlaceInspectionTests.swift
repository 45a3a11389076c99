import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// Further places of files, as a check, a repair and retiring see them.
@Suite struct PlaceInspectionTests {
  private let copy: StoreCopy
  private let file: NodeID
  private let directories: [NodeID]

  init() throws {
    let small = try SmallStore()
    let live = small.nodes.values.filter { $0.state == .live }.map(\.id).sorted()
    (file, directories) = (live[0], Array(live[1...3]))
    copy = try small.copy()
    let (file, directories) = (file, directories)
    try copy.forge { transaction, tables in
      for directory in directories { try tables.put(Place(file, in: directory), in: transaction) }
    }
  }

  private func places() throws -> [NodeID] {
    let store = try Store(at: copy.path)
    defer { try? store.close() }
    return try store.index.furtherParents(of: file)
  }

  @Test func aRepairKeepsThem() throws {
    #expect(try copy.check().findings == [])
    _ = try copy.repair()
    #expect(try copy.check().findings == [])
    #expect(try places() == directories)
  }

  @Test func theyGoWithTheirNode() throws {
    let store = try Store(at: copy.path)
    try store.retire(file)
    #expect(try store.index.furtherParents(of: file).isEmpty)
    try store.close()
    #expect(try copy.check().findings == [])
  }

  @Test func aPlaceWithAWrongChecksum() throws {
    let (file, directories) = (file, directories)
    try copy.forge { transaction, tables in
      try transaction.put(
        Place(file, in: file).value, for: Place(file, in: directories[1]).key, in: tables.places)
    }
    #expect(throws: StoreError.self) { try places() }
    #expect(try copy.check().findings.map(\.kind) == [.place])
    _ = try copy.repair()
    #expect(try copy.check().findings == [])
    #expect(try places() == [directories[0], directories[2]])
  }
}
