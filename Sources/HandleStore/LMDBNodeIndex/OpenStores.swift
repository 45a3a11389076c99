internal import HandleLocks
internal import SystemPackage

/// Claims a store for this process: LMDB allows an environment to be open only once in a process.
final class OpenStoreClaim: Sendable {
  private struct Identity: Hashable {
    var device: UInt64
    var inode: UInt64
  }

  /// The stores that are open, and how often the process had been forked when they were opened.
  private static let open = Locked<[Identity: UInt32]>([:])
  private let identity: Identity

  init(_ directory: OpenDirectory) throws(StoreError) {
    let status: FileStatus
    do throws(Errno) {
      status = try FullStatus(of: directory.descriptor).file
    } catch {
      throw StoreError(error, "opening \(directory.path)")
    }
    let identity = Identity(device: status.device, inode: status.inode)
    if let owner = Self.claim(identity) {
      throw owner == SystemCalls.forkCount ? .alreadyOpen(path: directory.path) : .forked
    }
    self.identity = identity
  }

  /// Claims a store that nobody has. Otherwise returns the number of forks before it was claimed.
  private static func claim(_ identity: Identity) -> UInt32? {
    open.withLock { open in
      if let owner = open[identity] { return owner }
      open[identity] = SystemCalls.forkCount
      return nil
    }
  }

  deinit {
    let identity = self.identity
    Self.open.withLock { $0[identity] = nil }
  }
}
