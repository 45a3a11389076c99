import Foundation
import HandleStore
import SystemPackage

/// A file as it is found by its name.
public struct NamedFile: Sendable {
  /// Its path below the directory that was searched.
  public let name: String
  /// Its handle.
  public let handle: KernelFileHandle
  /// Its status.
  public let status: FileStatus

  /// Looks a file up.
  public init(_ name: String, in directory: FilePath) throws {
    self = try withDirectory(directory) { descriptor in
      try NamedFile(
        name: name, handle: KernelFileHandle(resolving: FilePath(name), in: descriptor),
        status: FileStatus(resolving: FilePath(name), in: descriptor))
    }
  }

  private init(name: String, handle: KernelFileHandle, status: FileStatus) {
    self.name = name
    self.handle = handle
    self.status = status
  }

  /// What a registration is given.
  public var found: FoundFile { FoundFile(handle: handle, status: status) }
}

/// Opens a directory for a body.
public func withDirectory<R>(_ path: FilePath, _ body: (FileDescriptor) throws -> R) throws -> R {
  let descriptor = try FileDescriptor.open(path, .readOnly, options: [.directory, .closeOnExec])
  return try descriptor.closeAfter { try body(descriptor) }
}

/// Everything below a directory, by name, the directories before what is in them.
public func files(below directory: FilePath) throws -> [NamedFile] {
  let names = FileManager.default.enumerator(atPath: directory.string)?.compactMap { $0 as? String }
  return try (names ?? []).filter { !$0.hasPrefix("lost+found") }.sorted().map {
    try NamedFile($0, in: directory)
  }
}

/// Makes a file with some contents, in place of what it had.
public func write(_ text: String, to path: FilePath) throws {
  let file = try FileDescriptor.open(
    path, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
  try file.closeAfter { _ = try file.writeAll(text.utf8) }
}

/// What is in a file.
public func read(_ path: FilePath) throws -> String {
  let file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
  return try file.closeAfter { try readAll(file) }
}

/// What is in a file from where a descriptor stands.
public func readAll(_ file: FileDescriptor) throws -> String {
  var text: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 4096)
  while true {
    let n = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
    if n == 0 { return String(decoding: text, as: UTF8.self) }
    text += buffer[..<n]
  }
}

/// Makes a tree with a file of every type, and a hard link.
public func makeTree(in root: FilePath) throws {
  let sub = root.appending("directory").appending("below")
  try FileManager.default.createDirectory(atPath: sub.string, withIntermediateDirectories: true)
  for name in ["file", "directory/one", "directory/below/two"] {
    try write("contents of \(name)", to: root.appending(name))
  }
  for i in 0..<20 { try write("number \(i)", to: sub.appending("number-\(i)")) }
  try make(Glibc.symlink("directory/one", root.appending("symlink").string))
  try make(Glibc.link(root.appending("file").string, sub.appending("hardlink").string))
  try make(mknod(root.appending("fifo").string, S_IFIFO | 0o600, 0))
  try make(mknod(root.appending("device").string, S_IFCHR | 0o600, 0x103))
  try make(mknod(root.appending("socket").string, S_IFSOCK | 0o600, 0))
}

private func make(_ result: CInt) throws {
  guard result == 0 else { throw Errno(rawValue: errno) }
}

/// Renames a file (`rename(2)`).
public func rename(_ old: FilePath, to new: FilePath) throws {
  try make(Glibc.rename(old.string, new.string))
}

/// Removes a name (`unlink(2)`).
public func unlink(_ path: FilePath) throws { try make(Glibc.unlink(path.string)) }

/// Gives a file another name (`link(2)`).
public func link(_ old: FilePath, to new: FilePath) throws {
  try make(Glibc.link(old.string, new.string))
}
