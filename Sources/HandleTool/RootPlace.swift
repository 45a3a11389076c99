import Formatting
import HandleStore
import SystemPackage

/// Where the root directory of an export's layer is now.
enum RootPlace {
  case at(FilePath)
  /// Its filesystem is not mounted.
  case notMounted
  /// The directory was removed.
  case removed
  case notKnown(String)

  init(of layer: ExportRecord.Layer, in store: Store) {
    do throws(StoreError) {
      let root = try store.open(layer.root, on: layer.filesystem)
      defer { try? root.close() }
      self = Self.place(of: root)
    } catch {
      switch error {
      case .notAttached: self = .notMounted
      case .staleHandle: self = .removed
      default: self = .notKnown(error.description)
      }
    }
  }

  private static func place(of root: FileDescriptor) -> RootPlace {
    guard let told = try? DescriptorPath(of: root) else {
      return .notKnown("its path is too long")
    }
    if told.isUnlinked { return .removed }
    return told.leads(to: root) ? .at(told.path) : .notKnown("no path leads to it here")
  }

  var text: String {
    switch self {
    case .at(let path): Text.path(path)
    case .notMounted: "not mounted"
    case .removed: "removed"
    case .notKnown(let reason): "not known: \(reason)"
    }
  }

  /// Adds the path, or the reason why there is none.
  func add(to report: inout Report) {
    guard case .at(let path) = self else {
      report.add("path", .unknown)
      return report.add("obstacle", text)
    }
    report.add("path", .path(path))
    report.add("obstacle", .unknown)
  }
}
