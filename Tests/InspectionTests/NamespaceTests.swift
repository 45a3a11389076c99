import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// The file `namespaces` when it is full, when it is damaged, and when it is another store's.
@Suite(.enabled(if: mayMount, "mounting needs root")) struct NamespaceTests {
  /// What comes after the last number is shown by its node; and what is damaged is not guessed.
  @Test func whatDoesNotFitHasItsNode() throws {
    let (directory, volume, other) = (
      try TemporaryDirectory(), try Volume(.ext4), try Volume(.tmpfs)
    )
    let store = try Store(at: directory.appending("store"))
    defer { try? store.close() }
    let root = try register(volume.path, store)
    let path = store.path.appending("namespaces")
    let body =
      "handlestore namespaces 1\n\(SmallFile.line(store: store.number))\n"
      + (1...32_767).map { "namespace \($0) 30000 \($0)\n" }.joined()
    try write(body, to: path)
    #expect(throws: StoreError.self) { try InodeNumbers(in: store, root: root, status: status(2)) }
    try write(SmallFile.sealed(body), to: path)
    let numbers = try InodeNumbers(in: store, root: root, status: status(2))
    let node = try register(other.path, store)
    for _ in 0..<2 {
      #expect(try numbers.number(of: node, status: status(2)) == 1 << 63 | node.rawValue)
      #expect(try numbers.number(2, in: node, status: status(2)) == nil)
    }
    #expect(try numbers.number(of: root, status: status(2)) == 2)
    #expect(try read(path) == SmallFile.sealed(body))
  }

  /// Each line in its place.
  @Test(arguments: [
    "namespace 2 1 0", "namespace 1 1", "namespace 1 70000 0", "namespace 1 1 -1", "x 1 1 0",
    "namespace 1 1 0\nnamespace 2 1 0", "namespace 1 1 0\nnamespace 1 2 0",
  ]) func aWrongLineIsDamage(_ line: String) throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("namespaces")
    let head = "handlestore namespaces 1\nstore 7\n"
    try write(SmallFile.sealed(head + "\(line)\n"), to: path)
    let error = #expect(throws: StoreError.self) {
      try NamespaceTable(in: OpenDirectory(directory.path), of: 7)
    }
    #expect(error?.code == .damagedFile)
    try write(SmallFile.sealed(head + "namespace 1 1 0\n"), to: path)
    #expect(try NamespaceTable(in: OpenDirectory(directory.path), of: 7).numbers.count == 1)
  }

  /// The numbers of another store's filesystems would give two files one inode number.
  @Test func theFileOfAnotherStoreIsRefused() throws {
    let (directory, volume, other) = (
      try TemporaryDirectory(), try Volume(.ext4), try Volume(.tmpfs)
    )
    let stores = try ["one", "two"].map { try Store(at: directory.appending($0)) }
    defer { for store in stores { try? store.close() } }
    let roots = try stores.map { try register(volume.path, $0) }
    let nodes = try stores.map { try register(other.path, $0) }
    let numbers = try InodeNumbers(in: stores[1], root: roots[1], status: status(2))
    let theirs = try InodeNumbers(in: stores[0], root: roots[0], status: status(2))
    #expect(try theirs.number(of: nodes[0], status: status(2)) == 1 << 48 | 2)
    let path = stores[1].path.appending("namespaces")
    try write(read(stores[0].path.appending("namespaces")), to: path)
    func isForeign(_ error: StoreError?) -> Bool {
      guard case .foreignFile(path, _) = error else { return false }
      return true
    }
    let opening = #expect(throws: StoreError.self) {
      try InodeNumbers(in: stores[1], root: roots[1], status: status(2))
    }
    #expect(isForeign(opening))
    let giving = #expect(throws: StoreError.self) {
      try numbers.number(of: nodes[1], status: status(2))
    }
    #expect(isForeign(giving))
    try unlink(path)
    #expect(try numbers.number(of: nodes[1], status: status(2)) == 1 << 48 | 2)
  }

  private func register(_ path: FilePath, _ store: Store) throws -> NodeID {
    let filesystem = try store.attach(path)
    return try withDirectory(path) {
      try store.register(FoundFile(of: $0), on: filesystem).node
    }
  }

  private func status(_ inode: UInt64) -> FileStatus {
    FileStatus(inode: inode, mode: 0o40_755, links: 2, size: 0, device: 0)
  }
}
