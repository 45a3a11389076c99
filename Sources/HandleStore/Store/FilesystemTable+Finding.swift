/// Which filesystem of the store a mounted one is.
extension FilesystemTable {
  /// Returns the filesystem with an identity, or `nil` if the store has none yet.
  ///
  /// - Parameter name: the name that the administrator gave it, if the caller knows one. It counts
  ///   more than UUID and volume, but the root directory must be the same.
  /// - Throws: ``StoreError/badValue(_:)`` if the name belongs to another filesystem, and what
  ///   ``find(_:superblock:)`` throws.
  func find(
    _ identity: FilesystemIdentity, named name: String?, superblock: String
  ) throws -> FilesystemID? {
    guard let name else { return try find(identity, superblock: superblock) }
    let present = known.all.filter { !$0.value.isSuperseded }
    if let (id, owner) = present.first(where: { $0.value.name == name }) {
      try require(owner.matches(identity, named: name), id, has: name)
      try requireNoOther(superblock, attachedAs: id)
      return id
    }
    let found = try find(identity, superblock: superblock)
    if let found, let other = present[found]?.name {
      throw StoreError.badValue(
        "the filesystem has the name \(other) already, so it cannot be called \(name); use \(other)"
      )
    }
    return found
  }

  private func require(_ isSame: Bool, _ id: FilesystemID, has name: String) throws {
    guard !isSame else { return }
    throw StoreError.badValue(
      "\(name) is the name of filesystem \(id), and this is another one, because its root directory "
        + "has another handle or birth time; mount the right filesystem, or give this one a name of "
        + "its own")
  }

  private func requireNoOther(_ superblock: String, attachedAs id: FilesystemID) throws {
    guard isAttached(id), !isAttached(id, superblock: superblock) else { return }
    throw StoreError.ambiguousFilesystem(
      "filesystem \(id) is attached through another mount, with a superblock of its own; use one of "
        + "the two mounts only")
  }

  /// Returns the filesystem with an identity, or `nil` if the store has none yet.
  ///
  /// - Throws: ``StoreError/ambiguousFilesystem(_:)`` if the identity may be that of several
  ///   filesystems or of a copy, if the kernel does not show the UUID of an XFS or f2fs, or if the
  ///   only match is attached with another superblock, so that nothing distinguishes the two.
  func find(_ identity: FilesystemIdentity, superblock: String) throws -> FilesystemID? {
    let known = known.all
    let matching = preferringNamed(
      known.filter { $0.value.matches(identity) && !$0.value.isSuperseded })
    if let same = matching.first(where: { isAttached($0, superblock: superblock) }) { return same }
    // A FUSE server may give its ids to other files after a restart.
    if identity.magic == .fuse { return nil }
    guard identity.isUUID || ![.xfs, .f2fs].contains(identity.magic) else {
      throw StoreError.ambiguousFilesystem(
        "the kernel does not report its UUID, and its device number may belong to another "
          + "filesystem tomorrow; use Linux 6.9 or later")
    }
    if identity.volume.isEmpty,
      let original = matching.first(where: { known[$0]?.hasVolumes ?? false })
    {
      throw StoreError.ambiguousFilesystem(
        "it has the UUID of filesystem \(original), but the name of its device is not known, so it "
          + "may be a copy; make sure that /sys shows the device (and the image of a loop device)"
      )
    }
    if let twin = matching.first(where: { isAttached($0) }) {
      throw StoreError.ambiguousFilesystem(
        "it has the UUID of filesystem \(twin), which is mounted too, and nothing distinguishes "
          + "their devices; give one of them a new UUID (tune2fs -U, xfs_admin -U, btrfstune -u)")
    }
    guard matching.count <= 1 else {
      throw StoreError.ambiguousFilesystem(
        "it may be any of filesystems \(matching); give it a new UUID")
    }
    return matching.first
  }

  /// Returns the ids of filesystems that match, or of the only one of them with a name: somebody
  /// has said that this mount is that filesystem, after the host had registered it as another one.
  private func preferringNamed(_ matching: [FilesystemID: KnownFilesystem]) -> [FilesystemID] {
    let named = matching.filter { $0.value.name != nil }
    return (named.count == 1 ? named : matching).keys.sorted()
  }
}

extension KnownFilesystem {
  /// Whether the name of its device is known at each host.
  fileprivate var hasVolumes: Bool { identities.allSatisfy { !$0.volume.isEmpty } }
}
