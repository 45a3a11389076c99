internal import Synchronization
internal import SystemPackage

/// Claims a store for this process: LMDB allows an environment to be open only once in a process.
final class OpenStoreClaim: Sendable {
  private struct Identity: Hashable {
    var device: UInt64
    var inode: UInt64
  }

  private static let open = Mutex<Set<Identity>>([])
  private let identity: Identity

  init(_ directory: OpenDirectory) throws(StoreError) {
    let status: FileStatus
    do throws(Errno) {
      status = try FullStatus(of: directory.descriptor).file
    } catch {
      throw StoreError(error, "opening \(directory.path)")
    }
    let identity = Identity(device: status.device, inode: status.inode)
    guard Self.open.withLock({ $0.insert(identity).inserted }) else {
      throw .alreadyOpen(path: directory.path)
    }
    self.identity = identity
  }

  deinit {
    let identity = self.identity
    Self.open.withLock { _ = $0.remove(identity) }
  }
}
