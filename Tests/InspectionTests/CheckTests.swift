import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

@Suite struct CheckTests {
  @Test(arguments: [Durability.process, .power])
  func aSoundStoreIsSound(_ durability: Durability) throws {
    let small = try SmallStore(durability: durability)
    let report = try Store.check(at: small.path)
    #expect(report.findings == [])
    #expect(report.nodes == small.nodes.count)
    #expect(report.live == small.nodes.values.count { $0.state == .live })
    #expect(report.stale == small.nodes.values.count { $0.state == .stale })
    #expect(report.spilled == 40)
    #expect(report.filesystems == 1)
    let opaque = small.nodes.values.count { $0.handle.isSpilled && $0.state == .live }
    #expect(report.indexEntries == report.live + opaque)
  }

  @Test func pagesAddUp() throws {
    let small = try SmallStore()
    let report = try Store.check(at: small.path)
    let size = try bytes(of: small.data).count
    #expect((report.pages + report.freePages) * report.pageSize == size)
  }
}
