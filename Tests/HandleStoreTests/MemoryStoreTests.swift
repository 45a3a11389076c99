import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A store without a directory, used as a server uses it.
@Suite struct MemoryStoreTests {
  private let store = Store(inMemory: StoreOptions(retention: .nodes(3)))

  @Test func nodes() throws {
    let filesystem = try store.attach(Synthetic.directory)
    let file = Synthetic.file(1)
    let first = try store.register(file, on: filesystem)
    #expect(first.outcome == .created && first.generation == store.incarnation)
    #expect(try store.register(file, on: filesystem).outcome == .existing)
    #expect(try store.node(first.node)?.handle == file.handle)
    #expect(try store.node(of: file.handle, on: filesystem)?.id == first.node)
    // No file has such a handle: the one that was found last is believed.
    let second = try store.register(Synthetic.file(1, generation: 2), on: filesystem)
    #expect(second.outcome == .replaced(first.node))
    #expect(throws: StoreError.stale(first.node)) { try store.open(first.node) }
    _ = try store.registerEach(10..<20, on: filesystem)
    #expect(try store.evict() == 9)
    #expect(try store.nodes().nodes.count == 3)
    #expect(store.knownFilesystems().map(\.isAttached) == [true])
    #expect(store.path.isEmpty && store.statistics.created == 11)
    try store.close()
    #expect(throws: StoreError.closed) { try store.node(first.node) }
  }

  @Test func whatNeedsFiles() throws {
    let directory = try TemporaryDirectory()
    let error = #expect(throws: StoreError.self) {
      try store.backup(to: directory.path.appending("backup"))
    }
    #expect(error?.code == .badValue)
    #expect(throws: StoreError.self) { try store.summary() }
  }

  @Test(.mounts) func files() throws {
    let directory = try TemporaryDirectory()
    try write("text", to: directory.path.appending("file"))
    let export = try withDirectory(directory.path) { try store.addExport("tree", roots: [$0]) }
    let found = try #require(try export.lookup("file", in: .node(.root)))
    for form in [TokenForm.reference, .value(atMost: Token.maximumLength)] {
      let token = try export.token(for: found.node, form: form)
      #expect(try export.contents(token) == "text")
    }
    #expect(try store.exports().map(\.name) == ["tree"])
    try unlink(directory.path.appending("file"))
    #expect(throws: StoreError.stale(found.node)) { try store.open(found.node) }
    // Another store has other keys.
    let other = Store(inMemory: StoreOptions())
    let its = try withDirectory(directory.path) {
      try other.addExport("tree", roots: [$0], id: export.record.id)
    }
    let root = try export.token(for: .root)
    #expect(throws: StoreError.refused(.signature)) { try its.status(root) }
    try store.removeExport("tree")
    #expect(throws: StoreError.noExport("tree")) { try store.openExport("tree") }
  }

  /// Inode numbers, pins and watches need the small files and the index only.
  @Test(.mounts) func theRest() throws {
    let directory = try TemporaryDirectory()
    let filesystem = try store.attach(directory.path)
    let root = try withDirectory(directory.path) { fd in
      try store.register(FoundFile(of: fd), on: filesystem).node
    }
    let memory = try MemoryFile()
    let pins = try store.pins(in: memory.descriptor)
    #expect(try store.pin(root, by: pins))
    #expect(try !store.forget(root))
    try store.watch(root, mask: .deleteSelf, by: WatcherID(rawValue: 1))
    #expect(try store.retire(root))
    #expect(try store.deletions().nodes == [root])
  }
}
