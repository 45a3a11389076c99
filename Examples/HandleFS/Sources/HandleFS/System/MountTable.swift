internal import HandleStore
internal import SystemPackage

/// The mounts that this process sees.
enum MountTable {
  /// Returns all mounts. Of several mounts on one directory, the last is on top.
  static func mounts() throws(Errno) -> [MountEntry] {
    do throws(StoreError) {
      return try MountEntry.all()
    } catch {
      throw error.errno
    }
  }

  /// Returns the handlefs that is mounted on a directory, or `nil` if there is none. It reads the
  /// table and does not touch the directory, because the filesystem may be waiting for its server.
  static func handleFS(on point: String) throws(Errno) -> MountEntry? {
    try mounts().last { $0.type == "fuse.handlefs" && $0.point.string == point }
  }
}
