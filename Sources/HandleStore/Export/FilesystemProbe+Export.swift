public import SystemPackage

/// What an export of the directory could do.
extension FilesystemProbe {
  /// Returns the containments that an export of a directory can have, for this user and on this
  /// kernel.
  ///
  /// - Parameter directory: the directory, opened for reading.
  /// - Complexity: O(mounts). Any thread.
  public static func containments(of directory: FileDescriptor) -> [Containment] {
    guard let handle = try? KernelFileHandle.make(of: directory),
      let identity = try? FilesystemIdentity.of(directory).identity
    else { return [] }
    return Containment.allCases.filter { containment in
      let subtree = try? Subtree(
        root: directory, handle: handle, on: FilesystemID(rawValue: 0), magic: identity.magic,
        layer: 0, containment: containment, isWhole: identity.root == handle)
      return subtree != nil
    }
  }

  /// The length in bytes of a token by value for a file like the directory; `nil` if it has no
  /// handle, or one that does not fit into a token. A token by reference has
  /// ``Token/referenceLength`` bytes.
  public var tokenLength: Int? {
    guard let handle, handle.length <= TokenFields.longestHandle else {
      return nil
    }
    return TokenFields.length(handle: handle.length)
  }

  /// The versions of NFS whose file handles have room for such a token: 64 bytes in version 3, 128
  /// in version 4.
  public var nfsVersions: [Int] {
    guard let length = tokenLength else { return [] }
    return length <= Token.nfs3Length ? [3, 4] : [4]
  }
}
