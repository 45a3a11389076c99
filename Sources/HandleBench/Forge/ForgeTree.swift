import Foundation
import HandleStore
import SystemPackage

/// A file of the tree.
struct TreeFile {
  let path: FilePath
  let handle: KernelFileHandle
  let status: FileStatus

  var truth: Truth { Truth(handle, status.type) }
}

/// The files that the attacks use: those in `inside`, which is exported, and those in `outside`.
final class ForgeTree {
  let root: FilePath
  var inside: FilePath { root.appending("inside") }
  var outside: FilePath { root.appending("outside") }
  /// The directory in which files come and go.
  var work: FilePath { inside.appending("work") }
  /// The working directory, where relative paths begin.
  private let directory: FileDescriptor
  private var census: Set<KernelFileHandle>?
  private var made = 0

  init(in directory: FilePath) throws {
    let process = ProcessInfo.processInfo.processIdentifier
    root = directory.appending("handlebench-forge-\(process)")
    try makeOwnDirectory(root)
    self.directory = try FileDescriptor.open(FilePath("."), .readOnly, options: .directory)
  }

  deinit { try? directory.close() }

  /// Makes the files that stay for the whole run.
  func fill() throws {
    for place in [inside, outside] { try fill(place, depth: 3) }
    try makeDirectory(work)
    try link(inside.appending("file-0"), to: outside.appending("link"))
    try link(inside.appending("file-1"), to: inside.appending("directory-0/link"))
    try FileManager.default.createSymbolicLink(
      atPath: inside.appending("symlink").string, withDestinationPath: "../outside/file-0")
  }

  private func fill(_ directory: FilePath, depth: Int) throws {
    try makeDirectory(directory)
    for i in 0..<6 { try makeFile(directory.appending("file-\(i)")) }
    guard depth > 0 else { return }
    for i in 0..<2 { try fill(directory.appending("directory-\(i)"), depth: depth - 1) }
  }

  func remove() throws { try FileManager.default.removeItem(atPath: root.string) }

  /// Returns a name that was not used yet.
  func newName() -> FilePath {
    made += 1
    return FilePath("made-\(made)")
  }
}

// MARK: Changes

extension ForgeTree {
  func makeFile(_ path: FilePath) throws {
    census = nil
    try FileDescriptor.open(
      path, .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite
    ).close()
  }

  func makeDirectory(_ path: FilePath) throws {
    census = nil
    try FileManager.default.createDirectory(
      atPath: path.string, withIntermediateDirectories: false)
  }

  /// Replaces a file with a new one, by a rename.
  func renameOver(_ path: FilePath) throws {
    census = nil
    try Data().write(to: URL(fileURLWithPath: path.string), options: .atomic)
  }

  func move(_ path: FilePath, to other: FilePath) throws {
    census = nil
    try FileManager.default.moveItem(atPath: path.string, toPath: other.string)
  }

  func link(_ path: FilePath, to other: FilePath) throws {
    census = nil
    try FileManager.default.linkItem(atPath: path.string, toPath: other.string)
  }

  /// Removes a name and everything below it.
  func unlink(_ path: FilePath) throws {
    census = nil
    try FileManager.default.removeItem(atPath: path.string)
  }
}

// MARK: Finding files

extension ForgeTree {
  func file(_ path: FilePath) throws -> TreeFile {
    let found = try FoundFile(resolving: path, in: directory)
    return TreeFile(path: path, handle: found.handle, status: found.status)
  }

  /// Returns a file; if it is a directory, also everything below it.
  func files(in path: FilePath) throws -> [TreeFile] {
    var found = [try file(path)]
    guard found[0].status.type == .directory else { return found }
    for name in try FileManager.default.contentsOfDirectory(atPath: path.string).sorted() {
      found += try files(in: path.appending(name))
    }
    return found
  }

  /// Returns whether a file has a name inside now, as reading the directories shows.
  func isInside(_ handle: KernelFileHandle) throws -> Bool {
    try takeCensus().contains(handle)
  }

  /// Returns the handles of everything inside. Reads the directories if something has changed since
  /// the last census.
  @discardableResult
  func takeCensus() throws -> Set<KernelFileHandle> {
    if let census { return census }
    let found = Set(try files(in: inside).map(\.handle))
    census = found
    return found
  }
}

/// Makes a new directory in a directory that exists.
func makeOwnDirectory(_ path: FilePath) throws {
  do {
    try FileManager.default.createDirectory(
      atPath: path.string, withIntermediateDirectories: false)
  } catch {
    throw BenchError(description: "cannot create \(path): \(error.localizedDescription)")
  }
}
