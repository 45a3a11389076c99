import CYardstick
import Formatting
import HandleStore
import SystemPackage

extension Bench {
  /// Checks that the files of a tree can be opened by their handles, before any work begins.
  func requireTree(_ path: FilePath) throws {
    try Text.requireDirectory(path.string)
    try withTree(path) { root, store, filesystem in
      let top = try store.register(FoundFile(of: root), on: filesystem)
      try store.open(top.node).close()
      let tree = try store.addExport("tree", roots: [root], containment: .walk)
      _ = try tree.token(for: top.node)
    }
  }

  /// Runs the workloads on the files of a real tree.
  func tree(_ path: FilePath, _ show: (Comparison) -> Void) throws {
    try withTree(path) { root, store, filesystem in
      let nodes = try step("registering \(path)") { try registerTree(root, store, filesystem) }
      try Self.check(ys_tree(root.rawValue))
      show(try step("open by node") { try openByNode(nodes, store, root) })
      let tokens = TokenWorkloads(bench: self, store: store, tree: root, path: path, nodes: nodes)
      try tokens.run(show)
    }
  }

  /// Runs `body` with a tree's root, and a new store that knows the tree's filesystem.
  private func withTree<R>(
    _ path: FilePath, _ body: (FileDescriptor, Store, FilesystemID) throws -> R
  ) throws -> R {
    let root = try FileDescriptor.open(path, .readOnly, options: .directory)
    defer { try? root.close() }
    return try withNewDirectory { directory in
      try withStore(directory) { try body(root, $0, $0.attach(root)) }
    }
  }

  /// Registers all files below a directory that are on its filesystem.
  private func registerTree(
    _ root: FileDescriptor, _ store: Store, _ filesystem: FilesystemID
  ) throws -> [NodeID] {
    let device = try FileStatus(of: root).device
    let top = try store.register(FoundFile(of: root), on: filesystem)
    var found = [top.node]
    var next = 0
    while next < found.count {
      let node = found[next]
      next += 1
      guard try store.node(node)?.type == .directory else { continue }
      let directory = try store.open(node, as: .readOnly)
      defer { try? directory.close() }
      let files = try entries(of: directory, node, device)
      found += try store.register(batch: files, on: filesystem).map(\.node)
    }
    return found
  }

  private func entries(
    of directory: FileDescriptor, _ parent: NodeID, _ device: UInt64
  ) throws -> [FoundFile] {
    var files: [FoundFile] = []
    var entries = DirectoryEntries(of: directory)
    while let entry = try entries.next() {
      let status = try FileStatus(name: entry.name, in: directory)
      guard status.device == device else { continue }
      let handle = try KernelFileHandle(name: entry.name, in: directory)
      files.append(FoundFile(handle: handle, status: status, parent: parent))
    }
    return files
  }

  private func openByNode(
    _ nodes: [NodeID], _ store: Store, _ root: FileDescriptor
  ) throws -> Comparison {
    let count: UInt64 = 200_000
    return try Comparison("open by node, and close", goal: .ratio(2), rounds: rounds) { recorder in
      try timed(count, recorder) { i in
        let node = nodes[Int(ys_random(i) % UInt64(nodes.count))]
        try store.open(node).close()
      }
    } theirs: { recorder in
      try Self.timing(count, recorder) { ys_open_handles(root.rawValue, count, $0) }
    }
  }
}
