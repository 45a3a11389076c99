internal import HandleStore
internal import HandleLocks
internal import SystemPackage

/// The mounts that this process serves. They have one store, so what drops nodes or hears of deleted
/// nodes must think of all of them.
final class Neighbours: Sendable {
  private struct State {
    var servers: [Server] = []
    /// The devices of mounts that are being added.
    var joining: Set<String> = []

    func has(_ device: String) -> Bool {
      joining.contains(device) || servers.contains { $0.device == device }
    }
  }

  private let state = Locked(State())
  /// `nil` if the nodes are in a database: then each mount has a process of its own.
  private let sharing: StoreSharing?

  init(_ sharing: StoreSharing?) { self.sharing = sharing }

  func add(_ server: Server) { state.withLock { $0.servers.append(server) } }

  /// Calls `body`, which adds the mount of a device. Does nothing and returns `nil` if that mount is here,
  /// or another thread is adding it: two servers would answer the same requests.
  func join<R>(_ device: String, _ body: () throws -> R) rethrows -> R? {
    let isNew = state.withLock { state in
      !state.has(device) && state.joining.insert(device).inserted
    }
    guard isNew else { return nil }
    defer { state.withLock { _ = $0.joining.remove(device) } }
    return try body()
  }

  private var all: [Server] { state.withLock { $0.servers } }

  /// How many mounts this process serves.
  var count: Int { all.count }

  /// Whether all mounts of the store are served here. A guest may not have come back yet since the last
  /// host ended; until then nobody knows which nodes its kernel has, and none may be dropped.
  var areComplete: Bool { sharing.map { $0.otherMounts < count } ?? true }

  /// Whether the kernel knows a node through one of the mounts.
  func isKnown(_ node: NodeID) -> Bool { all.contains { $0.lookups.count(of: node) > 0 } }

  /// Whether a device is one of the mounts. This process would wait for itself there.
  func contains(device: String) -> Bool { state.withLock { $0.has(device) } }

  /// Calls `body`; if this process has no descriptor left, shrinks the caches of all mounts and tries again.
  func withDescriptors<R>(_ body: () throws -> R) throws -> R {
    for _ in 0..<8 {
      do {
        return try body()
      } catch  where Errno(any: error) == .tooManyOpenFiles {
        shrinkCaches()
      }
    }
    return try body()
  }

  func shrinkCaches() { for server in all { server.files.shrink() } }

  var watchers: [Watchers] { all.map(\.watchers) }
}
