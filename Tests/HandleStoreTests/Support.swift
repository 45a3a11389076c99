import HandleStore
import SystemPackage
import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// The test mounts filesystems or opens handles; in CI it fails if it may not.
  static var mounts: Self { .enabled(if: mayMount, "mounting and opening handles need root") }
}

/// A store in a directory of its own, which goes with it.
final class TestStore {
  let directory: TemporaryDirectory
  private(set) var store: Store
  private var options: StoreOptions
  var path: FilePath { directory.appending("store") }

  init(_ options: StoreOptions = StoreOptions()) throws {
    directory = try TemporaryDirectory()
    self.options = options
    store = try Store(at: directory.appending("store"), options: options)
  }

  func reopen(_ options: StoreOptions? = nil) throws {
    self.options = options ?? self.options
    try store.close()
    store = try Store(at: path, options: self.options)
  }
}

/// Expects a call to throw a ``StoreError`` with an errno.
func expect(
  _ errno: Errno, _ comment: Comment? = nil, at place: SourceLocation = #_sourceLocation,
  _ call: () throws -> some Any
) {
  let error = #expect(throws: StoreError.self, comment, sourceLocation: place) {
    _ = try call()
  }
  #expect(error == nil || error?.errno == errno, comment, sourceLocation: place)
}

extension Store {
  /// Registers what a name in a directory stands for.
  func register(
    _ name: String, in directory: FilePath, on filesystem: FilesystemID
  ) throws -> Registration {
    let file = try NamedFile(name, in: directory)
    return try register(file.handle, status: file.status, on: filesystem)
  }

  /// Pins of a client, in memory that goes with them.
  func pinsInMemory() throws -> Pins {
    let file = try MemoryFile()
    return try withExtendedLifetime(file) { try pins(in: file.descriptor) }
  }

  /// What is in a node's file.
  func contents(_ id: NodeID) throws -> String {
    let descriptor = try open(id, as: .readOnly)
    return try descriptor.closeAfter { try readAll(descriptor) }
  }

  /// The status of a node's file.
  func status(_ id: NodeID) throws -> FileStatus {
    let descriptor = try open(id)
    return try descriptor.closeAfter { try FileStatus(of: descriptor) }
  }

  /// All nodes, page by page.
  func everyNode(
    limit: Int = 100, on filesystem: FilesystemID? = nil, in state: NodeState? = nil
  ) throws -> [Node] {
    var found: [Node] = []
    var start: NodeID? = .root
    while let from = start {
      let page = try nodes(from: from, limit: limit, on: filesystem, in: state)
      found += page.nodes
      start = page.next
    }
    return found
  }
}

/// What a store is to give out: nodes, and whether there was an overflow.
struct ExpectedDeletions {
  let nodes: [NodeID]
  let overflowed: Bool

  static func == (found: Deletions, expected: ExpectedDeletions) -> Bool {
    found.nodes == expected.nodes && found.overflowed == expected.overflowed
  }
}

func deletions(_ nodes: [NodeID], overflowed: Bool = false) -> ExpectedDeletions {
  ExpectedDeletions(nodes: nodes, overflowed: overflowed)
}
