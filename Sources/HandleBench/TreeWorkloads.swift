import CYardstick
import HandleStore
import SystemPackage

extension Bench {
  /// Runs the workloads on the files of a real tree.
  func tree(_ path: FilePath, _ show: (Comparison) -> Void) throws {
    let root = try FileDescriptor.open(path, .readOnly, options: .directory)
    defer { try? root.close() }
    let directory = try newDirectory()
    defer { remove(directory) }
    let store = try open(directory)
    defer { try? store.close() }
    let filesystem = try store.attach(root)
    let nodes = try registerTree(root, store, filesystem)
    let handles = try Self.check(ys_tree(root.rawValue))
    print("\(path): \(nodes.count) files registered, \(handles) found by the yardstick")
    show(try openByNode(nodes, store, root))
    try TokenWorkloads(bench: self, store: store, tree: root, path: path, nodes: nodes).run(show)
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
