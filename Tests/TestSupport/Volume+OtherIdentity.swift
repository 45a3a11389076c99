import SystemPackage

extension Volume {
  /// Mounts what another host would see of a cluster filesystem whose UUID and device differ from host to
  /// host: the same root directory and the same files, with the same handles. It is a copy, so changes of one
  /// do not show in the other.
  ///
  /// - Parameter original: an ext4 or XFS. It is mounted again, at the same place.
  public convenience init(withOtherIdentity original: Volume) throws {
    try original.unmount()
    try self.init(copyOf: original)
    try changeUUID()
    try original.mount()
    try mount()
  }

  /// Gives it a new UUID. It must not be mounted.
  public func changeUUID() throws {
    if kind == .xfs {
      try succeed("xfs_admin", "-U", "generate", image.string)
    } else {
      try succeed("e2fsck", "-fy", image.string)
      try succeed("tune2fs", "-U", "random", image.string)
    }
  }
}
