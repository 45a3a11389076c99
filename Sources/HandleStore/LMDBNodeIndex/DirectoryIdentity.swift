internal import SystemPackage

/// Distinguishes a store's directory from every copy of it: by the directory's inode, its time of
/// birth, and the filesystem that it is on. Renaming a directory does not change its identity.
struct DirectoryIdentity: Equatable {
  /// One line of text.
  let text: String

  init?(_ text: Substring) {
    guard text != "none" else { return nil }
    self.text = String(text)
  }

  /// The identity of an open directory (`name_to_handle_at(2)`, `statx(2)`, and the device's name).
  ///
  /// - Parameter seen: the identity that a directory had in this era. Within an era a mount shows the same
  ///   filesystem, so if this is the same directory, nobody has to ask for the filesystem and its device,
  ///   which may answer slowly.
  init(of directory: OpenDirectory, seen: DirectoryIdentity? = nil) throws(Errno) {
    let descriptor = directory.descriptor
    let status = try FullStatus(of: descriptor)
    // On btrfs the handle names the subvolume too, and so distinguishes a snapshot.
    let inode = (try? KernelFileHandle.make(of: descriptor))?.hexadecimal ?? "\(status.file.inode)"
    let start = "\(inode) \(status.birth) "
    if let seen, seen.text.hasPrefix(start) {
      self = seen
      return
    }
    let filesystem = (try? FilesystemIdentity.ofVolume(descriptor)).map {
      "\($0.hexadecimal) \($0.volume)"
    }
    text = String((start + (filesystem ?? "unknown")).map { $0.isNewline ? " " : $0 })
  }
}

extension FullStatus {
  /// The inode's number and time of birth. They distinguish successive users of an inode number, if
  /// the filesystem records the time of birth.
  var inodeIdentity: String { "\(file.inode) \(birth)" }
}
