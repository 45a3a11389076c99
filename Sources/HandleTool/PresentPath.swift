import HandleStore
import SystemPackage

/// Where an open file of a node is now.
enum PresentPath {
  case at(FilePath)
  /// It has no name any more.
  case unlinked
  /// It has a name, of which neither the kernel nor the store knows.
  case unknown

  init(of file: FileDescriptor, _ status: FileStatus, _ node: NodeID, _ store: Store) {
    if let told = try? DescriptorPath(of: file), !told.isUnlinked, told.leads(to: file) {
      self = .at(told.path)
    } else if status.links == 0 {
      self = .unlinked
    } else {
      // The kernel knows a file's path only where its name was looked up lately.
      let found = Self.find(status, node, store)
      self = found.map { .at($0) } ?? .unknown
    }
  }

  /// Looks through the directory in which the file was found.
  private static func find(_ status: FileStatus, _ node: NodeID, _ store: Store) -> FilePath? {
    guard let parent = try? store.node(node)?.parent,
      let directory = try? store.open(parent, .readOnly)
    else { return nil }
    return try? directory.closeAfter {
      var entries = DirectoryEntries(of: directory)
      while let entry = try entries.next() {
        guard entry.inode == status.inode,
          let found = try? FileStatus(name: entry.name, in: directory),
          found.inode == status.inode && found.device == status.device
        else { continue }
        return try DescriptorPath(of: directory).path.pushing(entry.name)
      }
      return nil
    }
  }

  func add(to report: inout Report) {
    switch self {
    case .at(let path):
      report.add("path", Text.path(path))
      let isUTF8 = String(validating: path) != nil
      if !isUTF8 { report.add("path bytes", Self.hexadecimal(path)) }
    case .unlinked: report.add("path", "none: it is unlinked, and a process holds it open")
    case .unknown: report.add("path", "not known: it is linked, but was moved or renamed")
    }
  }

  private static func hexadecimal(_ path: FilePath) -> String {
    var digits: [UInt8] = []
    for byte in path.bytes { digits.append(hexadecimal: byte) }
    return String(decoding: digits, as: UTF8.self)
  }
}
