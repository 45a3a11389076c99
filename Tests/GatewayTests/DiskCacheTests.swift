import Synchronization
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
    let memory = try #require(NodeCache(size: 1))
    func has(_ id: UInt64) -> Bool { cache.node(NodeID(rawValue: id), addingTo: memory) != nil }
    cache.insert([entry(5, on: known), entry(6, on: unknown)])
    #expect(has(5))
    #expect(!has(6))
    // What was there before, too.
    cache.insert([entry(7, on: unknown)])
    cache.remove([NodeID(rawValue: 7)])
    #expect(has(5))
    cache.close()
  }

  /// The file that others read is replaced by an empty one.
  @Test func itIsEmptiedWhileOthersRead() throws {
    let directory = try TemporaryDirectory()
    let filesystem = FilesystemID(rawValue: 1)
    let filesystems = KnownFilesystems()
    filesystems[filesystem] = KnownFilesystem(
      identity: FilesystemIdentity(
        magic: .tmpfs, uuid: [1], root: nil, volume: "", birth: "", seed: ""))
    let cache = try DiskCache(directory.appending("cache"), filesystems)
    let isOver = Atomic(false)
    let found = Atomic(0)
    _ = try inThreads(3) { thread in
      let memory = try #require(NodeCache(size: 1))
      func node(_ id: UInt64) -> Node? { cache.node(NodeID(rawValue: id), addingTo: memory) }
      guard thread == 0 else {
        while !isOver.load(ordering: .relaxed) {
          for id in 1...10 as ClosedRange<UInt64> {
            guard let node = node(id) else { continue }
            #expect(node.handle == Synthetic.handle(id))
            found.add(1, ordering: .relaxed)
          }
        }
        return
      }
      for round in 0..<100 {
        cache.insert((1...10).map { entry($0, on: filesystem) })
        let before = found.load(ordering: .relaxed)
        #expect(becomes { found.load(ordering: .relaxed) > before })
        cache.removeAll()
        #expect(node(UInt64(round % 10 + 1)) == nil)
        #expect(cache.isUsable)
      }
      isOver.store(true, ordering: .relaxed)
    }
    cache.close()
    #expect(cache.isUsable == false)
  }

  private func entry(_ id: UInt64, on filesystem: FilesystemID) -> DiskCache.Entry {
    let handle = Synthetic.handle(id)
    var record = Record(
      handle: handle, filesystem: filesystem, type: .regular, parent: nil, since: 1)
    record.enter(.live, at: 1)
    return DiskCache.Entry(NodeID(rawValue: id), record, handle)
  }
}
