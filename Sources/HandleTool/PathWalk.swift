import Formatting
import HandleStore
import SystemPackage

/// Looks up a path in an export, name by name.
struct PathWalk {
  private let export: Export

  init(in export: Export) { self.export = export }

  /// Returns the node of the file at a path below the root, and makes one if the file has none.
  func node(at path: FilePath) throws -> NodeID {
    // Look up with tokens by reference, because every handle fits them. The caller makes the token
    // that it wants from the node.
    var entry = try export.lookup(.node(.root), form: .reference)
    var walked = FilePath()
    for name in path.components {
      try requireDirectory(entry, walked)
      walked.append(name)
      let name = FilePath(root: nil, [name])
      guard let next = try export.lookup(name, in: .node(entry.node), form: .reference) else {
        throw missing(walked)
      }
      entry = next
    }
    return entry.node
  }

  private func requireDirectory(_ entry: ExportEntry, _ path: FilePath) throws {
    switch entry.status.type {
    case .directory: return
    case .symbolicLink:
      throw FindingExit(
        message: "\(Text.path(path)) is a symbolic link, and links are not followed; name the file "
          + "that it points to")
    default:
      throw FindingExit(
        message:
          "\(Text.path(path)) is not a directory, so nothing is below it; name the file itself")
    }
  }

  private func missing(_ path: FilePath) -> FindingExit {
    FindingExit(
      message:
        "export '\(Text.plain(export.record.name))' has no file '\(Text.path(path))'; give a path "
        + "below its root")
  }
}
