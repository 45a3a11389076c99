import HandleStore
import SystemPackage

/// Looks a path up in an export, name by name.
struct PathWalk {
  private let export: Export

  init(in export: Export) { self.export = export }

  /// The node of what a path below the root leads to; it is made where there is none.
  func node(at path: FilePath) throws -> NodeID {
    // Tokens by reference, for any handle fits: the token that is wanted is made at the end.
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
          + "that it leads to")
    default:
      throw FindingExit(
        message:
          "\(Text.path(path)) is not a directory, so that nothing is below it; name the file "
          + "itself")
    }
  }

  private func missing(_ path: FilePath) -> FindingExit {
    FindingExit(
      message:
        "export '\(Text.plain(export.record.name))' has no file '\(Text.path(path))'; give a path "
        + "below its root")
  }
}
