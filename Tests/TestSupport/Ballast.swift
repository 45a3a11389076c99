import Foundation
import Glibc
import SystemPackage

/// Files that fill a disk to the last block.
public final class Ballast {
  private let directory: FilePath

  /// Fills the filesystem that a directory is on.
  ///
  /// - Parameter spare: how many bytes are left free, in whole blocks of 4 KiB.
  public init(in root: FilePath, leaving spare: Int = 0) throws {
    directory = root.appending("ballast")
    try FileManager.default.createDirectory(
      atPath: directory.string, withIntermediateDirectories: true)
    for i in 0..<(spare / 4096) { try Self.fill(directory.appending("spare-\(i)"), atMost: 4096) }
    try Self.fill(directory.appending("rest"), atMost: .max)
    for i in 0..<(spare / 4096) { try TestSupport.unlink(directory.appending("spare-\(i)")) }
    try succeed("sync", "-f", root.string)
  }

  private static func fill(_ path: FilePath, atMost limit: Int) throws {
    let file = try FileDescriptor.open(
      path, .writeOnly, options: [.create, .closeOnExec], permissions: .ownerReadWrite)
    defer { try? file.close() }
    var (length, step) = (0, min(limit, 32 << 20))
    while step >= 4096 && length < limit {
      if posix_fallocate(file.rawValue, length, step) == 0 { length += step } else { step /= 2 }
    }
  }

  /// Frees it all.
  public func remove() throws {
    try FileManager.default.removeItem(atPath: directory.string)
  }
}
