import HandleStore
import SystemPackage

/// Runs one path through the library a number of times, for Tests/HotPaths/run.
///
///     hotpaths PATH COUNT VOLUME STORE
///
/// VOLUME is the root of an ext4, and STORE a directory for a new store, elsewhere. What a path needs is
/// the same whatever the count is, so that it cancels in the difference of two counts.
@main struct HotPaths {
  private static let paths: [String: @Sendable (HotPaths, Int) throws -> Void] = [
    "get-cached": { try $0.getCached($1) },
    "get-stored": { try $0.getStored($1) },
    "register-batched": { try $0.registerBatched($1) },
    "register-singly": { try $0.registerSingly($1) },
    "decode": { try $0.decode($1) },
    "add-export": { paths, _ in try paths.addExport() },
  ]

  static func main() throws {
    let words = CommandLine.arguments
    guard words.count == 5, let path = paths[words[1]], let count = Int(words[2]) else {
      fatalError("usage: hotpaths \(paths.keys.sorted().joined(separator: "|")) COUNT VOLUME STORE")
    }
    let cached = words[1] == "get-stored" ? 0 : 65_536
    let root = FilePath(words[3])
    let volume = try FileDescriptor.open(root, .readOnly, options: .directory)
    try volume.closeAfter {
      let store = try Store(
        at: FilePath(words[4]), options: StoreOptions(durability: .process, cacheSize: cached))
      let filesystem = try store.attach(volume)
      try path(HotPaths(store: store, root: root, volume: volume, filesystem: filesystem), count)
      try store.close()
    }
  }

  let store: Store
  let root: FilePath
  let volume: FileDescriptor
  let filesystem: FilesystemID

  // MARK: The paths

  private func getCached(_ count: Int) throws {
    let nodes = try registered(1000)
    for node in nodes { try get(node) }
    for i in 0..<count { try get(nodes[scattered(i, nodes.count)]) }
  }

  private func getStored(_ count: Int) throws {
    let nodes = try registered(10_000)
    for i in 0..<count { try get(nodes[scattered(i, nodes.count)]) }
  }

  private func registerBatched(_ count: Int) throws {
    let size = 500
    let batches = (0..<Self.most / size).map { i in (0..<size).map { file(i * size + $0) } }
    for i in 0..<count / size { _ = try store.register(batch: batches[i], on: filesystem) }
  }

  private func registerSingly(_ count: Int) throws {
    let files = (0..<Self.most).map(file)
    for i in 0..<count { _ = try store.register(files[i], on: filesystem) }
  }

  /// Exports the whole volume, for ``decode(_:)`` to open. Adding it takes system calls that valgrind does
  /// not know (`openat2`), and opening it does not.
  private func addExport() throws {
    _ = try store.addExport("volume", roots: [volume], containment: .wholeFilesystem)
  }

  /// Opens files of the volume by their tokens.
  private func decode(_ count: Int) throws {
    let export = try store.openExport("volume")
    let tokens = try (0..<100).map { i in
      try export.token(for: store.register(newFile("file\(i)"), on: filesystem).node)
    }
    for i in 0..<count {
      try export.open(.token(tokens[scattered(i, tokens.count)]), as: .path).close()
    }
  }

  // MARK: Files

  /// How many files can be registered. All are made, whatever the count is.
  private static let most = 12_000

  private func get(_ node: NodeID) throws {
    guard try store.node(node) != nil else { fatalError("the store has lost a node") }
  }

  private func registered(_ count: Int) throws -> [NodeID] {
    try store.register(batch: (0..<count).map(file), on: filesystem).map(\.node)
  }

  /// The n-th of files that do not exist, with a handle of ext4. The 16 files of a directory have
  /// consecutive inode numbers, and directories are in four groups in turn.
  private func file(_ n: Int) -> FoundFile {
    let (directory, place) = n.quotientAndRemainder(dividingBy: 16)
    let inode = UInt32(1000 + directory % 4 * 10_000_000 + directory / 4 * 16 + place)
    let bytes = [inode, 7].flatMap { number in (0..<4).map { UInt8(number >> ($0 * 8) & 255) } }
    guard let handle = KernelFileHandle(type: .inode32, bytes: bytes) else {
      fatalError("the handle has a length")
    }
    return FoundFile(handle: handle, status: FileStatus(inode: UInt64(inode), mode: 0o100_644))
  }

  private func newFile(_ name: String) throws -> FoundFile {
    let file = try FileDescriptor.open(
      root.appending(name), .readWrite, options: .create, permissions: .ownerReadWrite)
    return try file.closeAfter { try FoundFile(of: file) }
  }

  /// An index below a limit that is far from that of the next number.
  private func scattered(_ i: Int, _ limit: Int) -> Int { i &* 7919 % limit }
}
