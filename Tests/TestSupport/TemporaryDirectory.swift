import Foundation
import SystemPackage

/// A directory of a test's own, removed with the value.
public final class TemporaryDirectory: Sendable {
  /// Where it is.
  public let path: FilePath

  /// Makes one in a directory, by default the system's for temporary files.
  public init(in parent: FilePath? = nil) throws {
    let parent = parent?.string ?? NSTemporaryDirectory()
    let path = URL(fileURLWithPath: parent).appendingPathComponent(
      "handlestore-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
    self.path = FilePath(path.path)
  }

  deinit { try? FileManager.default.removeItem(atPath: path.string) }

  /// The path of something in it.
  public func appending(_ component: String) -> FilePath { path.appending(component) }
}
