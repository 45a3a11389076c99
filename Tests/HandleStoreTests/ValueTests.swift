import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Any value that a caller can pass is used as it is said to be, or refused: none ends the process.
@Suite struct ValueTests {
  private let test: TestStore
  private let filesystem: FilesystemID
  private var store: Store { test.store }

  init() throws {
    test = try TestStore()
    filesystem = try Synthetic.attach(to: test.store)
  }

  private func expectBadValue(_ body: () throws -> Void) {
    let error = #expect(throws: StoreError.self) { try body() }
    guard case .badValue = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func limits() throws {
    let ids = try store.registerEach(0..<40, on: filesystem).map(\.node)
    for id in ids { try store.watch(id, mask: .modify, by: WatcherID(rawValue: .max)) }
    for limit in [0, -1, Int.min] {
      expectBadValue { _ = try store.nodes(limit: limit) }
      expectBadValue { _ = try store.watchedNodes(limit: limit) }
      expectBadValue { _ = try store.deletions(atMost: limit) }
    }
    for limit in [Int.max, .max / 16 + 1, .max / 16, 1 << 40] {
      #expect(try store.nodes(limit: limit).nodes.map(\.id) == ids)
      #expect(try store.watchedNodes(limit: limit).nodes.map(\.id) == ids)
      try store.retire(ids[0])
      #expect(try store.deletions(atMost: limit).nodes.count <= 1)
    }
    #expect(try store.nodes(from: NodeID(rawValue: .max), limit: .max).nodes.isEmpty)
    #expect(try store.nodes(limit: .max, on: FilesystemID(rawValue: .max)).nodes.isEmpty)
    #expect(try store.deletions(atMost: .max).isEmpty)
    try store.close()
    for count in [-1, Int.min] {
      expectBadValue { _ = try Store.check(at: test.path, findings: count) }
    }
    for count in [0, Int.max] { #expect(try Store.check(at: test.path, findings: count).isSound) }
  }

  @Test func numbersThatNothingHas() throws {
    let handle = Synthetic.handle(1)
    for number: UInt64 in [0, 1, .max, 1 << 63, .max / 2] {
      let id = NodeID(rawValue: number)
      #expect(try store.node(id) == nil)
      #expect(throws: StoreError.unknownNode(id)) { try store.open(id, as: .readOnly) }
      #expect(try !store.forget(id))
      #expect(try store.watches(of: id).isEmpty)
      #expect(throws: StoreError.self) { try store.retire(id) }
      let status = FileStatus(inode: .max, mode: .max, links: .max)
      let found = try store.register(
        Synthetic.handle(number), status: status, on: filesystem, parent: id)
      #expect(try store.node(found.node)?.handle == Synthetic.handle(number))
    }
    for number: UInt16 in [0, .max, 0x7fff, 0x8000] {
      let unknown = FilesystemID(rawValue: number)
      #expect(throws: StoreError.unknownFilesystem(unknown)) {
        try store.node(of: handle, on: unknown)
      }
      #expect(throws: StoreError.unknownFilesystem(unknown)) { try store.open(handle, on: unknown) }
      #expect(throws: StoreError.unknownFilesystem(unknown)) {
        try store.register(Synthetic.file(1), on: unknown)
      }
      store.detach(unknown)
    }
    #expect(handle[0] == handle.bytes[0])
    for index: Int in [-1, handle.length, 127, 128, .max, .min] { #expect(handle[index] == 0) }
    for share: Double in [-1, 0, 2, .nan, .infinity, -.infinity] {
      _ = store.statistics.registerTimes.quantile(share)
    }
  }

  @Test func counts() throws {
    let pins = try store.pinsInMemory()
    let node = try store.register(Synthetic.file(1), on: filesystem).node
    for _ in 0..<2 { #expect(try store.pin(node, count: .max, by: pins)) }
    #expect(pins.count(of: node) == .max)
    #expect(pins.unpin(node, count: .max) == 0 && pins.unpin(node, count: .max) == 0)
    for id in [NodeID(rawValue: .max), NodeID(rawValue: 1 << 60), NodeID(rawValue: 0)] {
      #expect(try !store.pin(id, count: .max, by: pins))
      #expect(pins.count(of: id) == 0 && pins.unpin(id, count: .max) == 0)
    }
  }

  @Test(arguments: [Int.max, .min, -1, 0]) func options(_ value: Int) throws {
    let limits = Retention.nodes(value)
    try test.reopen(StoreOptions(cacheSize: value, retention: limits, limboLimit: value))
    let id = try Synthetic.attach(to: store)
    let nodes = try store.registerEach(0..<20, on: id).map(\.node)
    try store.watch(nodes[0], mask: .modify, by: WatcherID(rawValue: 1))
    try store.retire(nodes[0])
    _ = try store.deletions(atMost: .max)
    _ = try store.evict(stale: limits)
    _ = try store.forget(nodes[1])
    _ = try store.evict()
    let left = try store.everyNode().count
    #expect(value == .max ? left == 20 : left <= 1)
    try Keyring.rotate(ofStoreAt: test.path)
    let ring = try Keyring.rotate(ofStoreAt: test.path, keeping: value)
    #expect(ring.ids.count == (value == .max ? 2 : 1))
    try store.close()
  }

  @Test(arguments: [Int.max, .min, -1, 0, 1 << 20 + 1])
  func capacities(_ capacity: Int) throws {
    let file = try MemoryFile()
    expect(.invalidArgument) {
      try IntentJournal(in: file.descriptor, capacity: capacity)
    }
    #expect(file.blocks == 0)
  }

  @Test func intents() throws {
    let file = try MemoryFile()
    let journal = try IntentJournal(in: file.descriptor, capacity: 1)
    let long = FilePath(String(repeating: "x", count: 70_000))
    let intent = Intent.rename(Synthetic.opaque(1, length: 128), from: long, to: long)
    expect(.invalidArgument) { try journal.note(intent, for: 0) }
    try journal.note(intent, for: .max)
    #expect(journal[.max] != nil && journal[0] == nil)
    try journal.note(.insertRange(of: .max, size: .max), for: .max)
    #expect(journal[.max]?.wasDone(size: .max) == false)
    journal.forget(0)
    let others = try MemoryFile()
    let opens = try OpenFiles(in: others.descriptor, fuse: file.descriptor)
    expect(.invalidArgument) { try opens.open(0, of: .root, file: nil) }
    #expect(try opens.open(.max, of: NodeID(rawValue: .max), file: nil) == 0)
  }
}

/// The same of exports.
@Suite(.mounts) struct ExportValueTests {
  @Test func whatAClientOrItsServerMaySay() throws {
    let exported = try Exported(.ext4)
    let (export, node) = (exported.export, try #require(try exported.entry("file")).node)
    for limit in [Int.min, -1, 0, 31] {
      #expect(throws: StoreError.self) { try export.token(for: node, form: .value(atMost: limit)) }
    }
    let longest = try export.token(for: node, form: .value(atMost: .max))
    #expect(try export.contents(longest) == "contents of file")
    for bytes in [[], [1], Array(repeating: 1, count: 100_000), Array(longest.bytes.dropLast())] {
      #expect(throws: StoreError.self) { try export.open(.token(Token(bytes: bytes)), as: .path) }
    }
    for name in [String(repeating: "x", count: 256), String(repeating: "x", count: 100_000)] {
      #expect(throws: StoreError.self) { try export.lookup(FilePath(name), in: .node(.root)) }
      #expect(throws: StoreError.self) { try exported.store.openExport(name) }
      try withDirectory(exported.inside) { root in
        expect(.fileNameTooLong) { try FoundFile(name: FilePath(name), in: root) }
        for roots in [[], Array(repeating: root, count: 17), Array(repeating: root, count: 2)] {
          #expect(throws: StoreError.self) { try exported.store.addExport("more", roots: roots) }
        }
        #expect(throws: StoreError.self) {
          try exported.store.addExport("more", roots: [root], id: ExportID(rawValue: 0))
        }
      }
    }
    let made = try export.createOrOpen("made", in: .node(.root), as: .writeOnly, permissions: .max)
    try #require(made.descriptor).close()
    #expect(throws: StoreError.self) {
      try exported.store.addExport("more", roots: [FileDescriptor(rawValue: -1)])
    }
  }
}
