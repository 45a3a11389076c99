internal import HandleStore
internal import Synchronization
internal import SystemPackage

/// The mounts that this process serves. They have one store, so what drops nodes or hears of deleted
/// nodes must think of all of them.
final class Neighbours: Sendable {
  private let servers = Mutex<[Server]>([])
  private let sharing: StoreSharing

  init(_ sharing: StoreSharing) { self.sharing = sharing }

  func add(_ server: Server) { servers.withLock { $0.append(server) } }

  private var all: [Server] { servers.withLock { $0 } }

  /// How many mounts this process serves.
  var count: Int { servers.withLock { $0.count } }

  /// Whether all mounts of the store are served here. A guest may not have come back yet since the last
  /// host ended; until then nobody knows which nodes its kernel has, and none may be dropped.
  var areComplete: Bool { sharing.otherMounts < count }

  /// Whether the kernel knows a node through one of the mounts.
  func isKnown(_ node: NodeID) -> Bool { all.contains { $0.lookups.count(of: node) > 0 } }

  /// Whether a device is one of the mounts. This process would wait for itself there.
  func contains(device: String) -> Bool { all.contains { $0.device == device } }

  var watchers: [Watchers] { all.map(\.watchers) }
}
