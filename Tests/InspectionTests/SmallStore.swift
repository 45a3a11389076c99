import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// A store with nodes of every kind, closed, and what it must answer.
struct SmallStore {
  let directory: TemporaryDirectory
  let filesystem: FilesystemID
  /// What was registered, by id.
  private(set) var nodes: [NodeID: Node] = [:]

  var path: FilePath { directory.path.appending("store") }
  var data: FilePath { path.appending("data.mdb") }
  var state: FilePath { path.appending("state") }

  /// Registers `plain` files with inline handles and `spilled` with opaque ones of 40 bytes, gives
  /// every seventh inode to another file, and retires every eleventh node.
  init(plain: Int = 300, spilled: Int = 40, durability: Durability = .process) throws {
    directory = try TemporaryDirectory()
    let path = directory.path.appending("store")
    let store = try Store(at: path, options: StoreOptions(durability: durability))
    filesystem = try Synthetic.attach(to: store)
    var ids: [NodeID] = []
    for batch in stride(from: 0, to: plain, by: 100) {
      let candidates = (batch..<min(batch + 100, plain)).map {
        Synthetic.file(UInt64($0) + 10)
      }
      ids += try store.register(batch: candidates, on: filesystem).map(\.node)
    }
    for i in 0..<spilled {
      let status = FileStatus(inode: UInt64(i) + 5000, mode: Synthetic.mode)
      let handle = Synthetic.opaque(UInt64(i), length: 40)
      ids.append(try store.register(handle, status: status, on: filesystem).node)
    }
    for i in stride(from: 0, to: plain, by: 7) {
      let again = Synthetic.file(UInt64(i) + 10, generation: 2)
      ids.append(try store.register(again, on: filesystem).node)
    }
    for id in ids where id.rawValue % 11 == 0 { try store.retire(id) }
    for id in ids { nodes[id] = try store.node(id) }
    try store.close()
  }

  /// What of an opened store's answers is not as it was. A node that is missing is no wrong answer.
  func wrongAnswers(of store: Store, mayBeRetired: Bool = false) throws -> [String] {
    var wrong: [String] = []
    for (id, node) in nodes {
      guard let found = try store.node(id) else { continue }
      let isRetired = mayBeRetired && found.state == .stale
      if found.handle != node.handle { wrong.append("node \(id) has another handle") }
      if found.state != node.state && !isRetired { wrong.append("node \(id) is \(found.state)") }
      guard found.state == .live else { continue }
      if try store.node(of: node.handle, on: filesystem)?.id != id {
        wrong.append("node \(id) is not found by its handle")
      }
    }
    return wrong
  }

  /// How many of the nodes a store does not have.
  func missing(in store: Store) throws -> Int {
    try nodes.keys.count { try store.node($0) == nil }
  }

  /// A copy to damage, without its files of locks.
  func copy() throws -> StoreCopy { try StoreCopy(self) }
}

/// A copy of a small store to damage, whose `state` says that it belongs where it is.
struct StoreCopy {
  let directory: TemporaryDirectory
  var path: FilePath { directory.path }
  var data: FilePath { path.appending("data.mdb") }
  var state: FilePath { path.appending("state") }

  /// On a tmpfs, where many are made fast.
  init(_ original: SmallStore) throws {
    directory = try TemporaryDirectory(in: "/dev/shm")
    try replace(try bytes(of: original.data), to: data)
    let here = try OpenDirectory(path)
    var state = try #require(try StateFile.read(in: OpenDirectory(original.path)))
    state.directory = try DirectoryIdentity(of: here)
    try state.write(in: here)
  }

  func check() throws -> CheckReport { try Store.check(at: path) }
  func repair() throws -> RepairReport { try Store.repair(at: path) }
}

/// A file's bytes.
func bytes(of path: FilePath) throws -> [UInt8] {
  let file = try FileDescriptor.open(path, .readOnly)
  return try file.closeAfter {
    var bytes = [UInt8](repeating: 0, count: Int(try file.seek(offset: 0, from: .end)))
    let count = try bytes.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 0, into: $0) }
    return Array(bytes[..<count])
  }
}

/// Puts a file with some bytes in another's place.
func replace(_ bytes: [UInt8], to path: FilePath) throws {
  let file = try FileDescriptor.open(
    path, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
  _ = try file.closeAfter { try file.writeAll(bytes) }
}

/// Writes over some bytes of a file.
func overwrite(_ path: FilePath, at offset: Int, _ bytes: [UInt8]) throws {
  let file = try FileDescriptor.open(path, .writeOnly)
  _ = try file.closeAfter { try file.writeAll(toAbsoluteOffset: Int64(offset), bytes) }
}
