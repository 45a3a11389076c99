internal import SystemPackage

/// If the index knows a candidate's inode under another generation, the kernel says which of the two
/// files exists.
extension Store {
  /// Returns the result of a change that registers a candidate. Applies the change again whenever
  /// the kernel must be asked first.
  ///
  /// - Throws: ``StoreError/staleHandle(_:)`` if the candidate's file is gone.
  @inline(__always)
  func decided(
    _ candidate: FoundFile, on filesystem: FilesystemID,
    _ change: (Survivors) throws -> RegistrationAttempt
  ) throws -> Registration {
    var survivors = Survivors()
    while true {
      switch try change(survivors) {
      case .done(let registration):
        guard registration.outcome != .stale else {
          throw StoreError.staleHandle(candidate.handle)
        }
        return registration
      case .contested(let other):
        survivors[candidate.handle, other.handle] = try survivor(
          of: candidate, and: other, on: filesystem)
      }
    }
  }

  /// Asks the kernel which of two files exists: a candidate, or the file that has the candidate's key
  /// or hint in the index.
  func survivor(
    of candidate: FoundFile, and other: FileRelation.File, on filesystem: FilesystemID
  ) throws -> Survivor {
    guard
      let candidateIsThere = try isThere(
        candidate.handle, candidate.status.type, on: filesystem)
    else { return .unknown }
    // Both have the same inode, so only one can exist.
    let magic = try index.filesystems.magic(filesystem)
    if candidateIsThere && candidate.handle.fileKey(on: magic) != nil { return .candidate }
    guard try isThere(other.handle, other.type, on: filesystem) ?? false else {
      return candidateIsThere ? .candidate : .neither
    }
    return candidateIsThere ? .both : .other
  }

  /// Returns whether a handle opens a file of a type. Returns `nil` if the kernel cannot be asked,
  /// because the filesystem is not attached or this process may not open handles. Then the store
  /// believes the candidate, which came last.
  private func isThere(
    _ handle: KernelFileHandle, _ type: FileType, on filesystem: FilesystemID
  ) throws -> Bool? {
    guard let (mount, magic) = try? filesystems.mount(filesystem) else { return nil }
    do throws(Errno) {
      let file = OwnedDescriptor(try open(handle, .path, on: mount, magic: magic))
      return try FullStatus(of: file.descriptor).file.type == type
    } catch .staleHandle {
      try requireAnswer(mount)
      return false
    } catch .notPermitted {
      return nil
    } catch {
      throw StoreError(error, "opening handle \(handle)")
    }
  }
}
