import HandleStore
import SystemPackage

/// The present path of a node's open file.
enum PresentPath {
  case at(FilePath)
  /// The file has no name any more.
  case unlinked
  /// The file has a name that neither the kernel nor the store knows.
  case unknown

  init(of file: FileDescriptor, status: FileStatus, node: NodeID?, in store: Store) {
    if let told = try? DescriptorPath(of: file), !told.isUnlinked, told.leads(to: file) {
      self = .at(told.path)
    } else if status.links == 0 {
      self = .unlinked
    } else {
      // The kernel knows a file's path only if its name was looked up recently.
      let found = node.flatMap { Self.find(file, status: status, node: $0, in: store) }
      self = found.map { .at($0) } ?? .unknown
    }
  }

  /// Searches the directory in which the file was found for a name of the file.
  private static func find(
    _ file: FileDescriptor, status: FileStatus, node: NodeID, in store: Store
  ) -> FilePath? {
    guard let parent = try? store.node(node)?.parent,
      let directory = try? store.open(parent, as: .readOnly)
    else { return nil }
    return try? directory.closeAfter {
      let top = try DescriptorPath(of: directory).path
      var entries = DirectoryEntries(of: directory)
      while let entry = try entries.next() {
        let path = top.pushing(entry.name)
        if entry.inode == status.inode, DescriptorPath.leads(path, to: file) { return path }
      }
      return nil
    }
  }

  func add(to report: inout Report) {
    switch self {
    case .at(let path):
      report.add("path", .path(path))
      report.add("obstacle", .unknown)
    case .unlinked: Self.add("none: the file is unlinked, and a process holds it open", to: &report)
    case .unknown: Self.add("not known: the file has a name, but was moved or renamed", to: &report)
    }
  }
}

extension PresentPath {
  /// Adds the reason why there is no path.
  private static func add(_ obstacle: String, to report: inout Report) {
    report.add("path", .unknown)
    report.add("obstacle", obstacle)
  }

  /// Finds the path of a token's file. An export opens files through a mount of its own, whose
  /// paths begin at the export's root.
  init(
    of descriptor: FileDescriptor, _ file: FoundFile, node: NodeID?,
    on layer: ExportRecord.Layer, in store: Store
  ) {
    if let path = Self.path(of: descriptor, file, below: layer, in: store) {
      self = .at(path)
    } else if let again = try? store.open(file.handle, on: layer.filesystem) {
      defer { try? again.close() }
      self.init(of: again, status: file.status, node: node, in: store)
    } else {
      self = .unknown
    }
  }

  private static func path(
    of descriptor: FileDescriptor, _ file: FoundFile, below layer: ExportRecord.Layer,
    in store: Store
  ) -> FilePath? {
    guard let told = try? DescriptorPath(of: descriptor) else { return nil }
    if told.leads(to: descriptor) { return told.path }
    guard case .at(let top) = RootPlace(of: layer, in: store) else { return nil }
    guard let below = FilePath(root: nil, told.path.components).nonempty else {
      return file.handle == layer.root ? top : nil
    }
    let path = top.pushing(below)
    return DescriptorPath.leads(path, to: descriptor) ? path : nil
  }
}

extension FilePath {
  fileprivate var nonempty: FilePath? { isEmpty ? nil : self }
}
