import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// The file `namespaces` when it is full, and when it is damaged.
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
      "handlestore namespaces 1\n"
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
    let body = "handlestore namespaces 1\n\(line)\n"
    try write(SmallFile.sealed(body), to: directory.appending("namespaces"))
    #expect(throws: StoreError.self) { try NamespaceTable(in: OpenDirectory(directory.path)) }
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
