import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// The directory of a cache, without a gateway.
@Suite struct DiskCacheTests {
  /// Another gateway has just added the filesystem. What else came with its node is kept.
  @Test func aNodeOfAnUnknownFilesystem() throws {
    let directory = try TemporaryDirectory()
    let (known, unknown) = (FilesystemID(rawValue: 1), FilesystemID(rawValue: 2))
    let filesystems = KnownFilesystems()
    filesystems[known] = KnownFilesystem(
      identity: FilesystemIdentity(
        magic: .tmpfs, uuid: [1], root: nil, volume: "", birth: "", seed: ""))
    let cache = try DiskCache(directory.appending("cache"), filesystems)
    cache.insert([entry(5, on: known), entry(6, on: unknown)])
    #expect(cache.entry(NodeID(rawValue: 5)) != nil)
    #expect(cache.entry(NodeID(rawValue: 6)) == nil)
    // What was there before, too.
    cache.insert([entry(7, on: unknown)])
    cache.remove([NodeID(rawValue: 7)])
    #expect(cache.entry(NodeID(rawValue: 5)) != nil)
    cache.close()
  }

  private func entry(_ id: UInt64, on filesystem: FilesystemID) -> DiskCache.Entry {
    let handle = Synthetic.handle(id)
    var record = Record(
      handle: handle, filesystem: filesystem, type: .regular, parent: nil, since: 1)
    record.enter(.live, at: 1)
    return DiskCache.Entry(NodeID(rawValue: id), record, handle)
  }
}
