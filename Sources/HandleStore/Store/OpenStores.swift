internal import Synchronization
internal import SystemPackage

/// The stores that this process has open: LMDB allows an environment once in a process.
final class OpenStoreClaim: Sendable {
  private struct Identity: Hashable {
    var device: UInt64
    var inode: UInt64
  }

  private static let open = Mutex<Set<Identity>>([])
  private let identity: Identity

  init(_ directory: FilePath) throws(StoreError) {
    let status: FullStatus
    do throws(Errno) {
      let fd = OwnedDescriptor(try SystemCalls.open(directory, flags: SystemCalls.path))
      status = try FullStatus(fd.descriptor, "")
    } catch {
      throw error == .noSuchFileOrDirectory
        ? .noStore(path: directory) : StoreError(error, "opening \(directory)")
    }
    guard FileMode(rawValue: status.mode).type == .directory else {
      throw .notAStore(path: directory, reason: "it is not a directory")
    }
    let identity = Identity(device: status.device, inode: status.inode)
    guard Self.open.withLock({ $0.insert(identity).inserted }) else {
      throw .alreadyOpen(path: directory)
    }
    self.identity = identity
  }

  deinit {
    let identity = self.identity
    Self.open.withLock { _ = $0.remove(identity) }
  }
}
