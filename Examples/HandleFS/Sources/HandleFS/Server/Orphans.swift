internal import HandleStore
internal import Synchronization
internal import SystemPackage

/// Files that have lost their last name, and that the kernel still knows: they may be open, or somebody's
/// working directory. Each is kept open here until the kernel forgets it, and outside of this process
/// where nobody else would keep it if this one were killed.
final class Orphans: Sendable {
  private let files = Mutex<[NodeID: BackingFile]>([:])
  private let parking: Parking
  /// Which files are parked, of servers before this one too.
  private let parked: Pins
  private let store: Store
  /// Held while something is parked or let go, so that the one does not overtake the other.
  private let order = Mutex(())

  init(in store: Store, parked: FileDescriptor, socket: FileDescriptor) throws {
    self.store = store
    self.parked = try store.pins(in: parked)
    parking = Parking(socket: socket)
    takeUp()
  }

  /// Opens what servers before this one have parked, while their supervisor has it: the next supervisor
  /// gets it from here.
  private func takeUp() {
    for node in parked.nodes {
      if let file = try? store.open(node) {
        files.withLock { $0[node] = BackingFile(file) }
      } else {
        release(node)
      }
    }
  }

  /// Those whose last name has gone by now.
  var nameless: [NodeID] { files.withLock { $0 }.filter { $0.value.hasNoName }.map(\.key) }

  subscript(node: NodeID) -> BackingFile? { files.withLock { $0.isEmpty ? nil : $0[node] } }

  var count: Int { files.withLock { $0.count } }

  /// Keeps a file that has lost its last name, or is about to.
  func keep(_ file: BackingFile, _ node: NodeID, parks: Bool) throws {
    files.withLock { $0[node] = file }
    if parks { try park(node) }
  }

  /// Keeps a file that is kept outside of this process as well.
  func park(_ node: NodeID) throws {
    try order.withLock { _ in
      guard let file = self[node] else { return }
      if parked.count(of: node) == 0 { _ = try store.pin(node, by: parked) }
      do throws(Errno) {
        try parking.park(file.descriptor, of: node)
      } catch {
        // Where the supervisor was killed, the next one gets all that is parked.
        guard error == .brokenPipe || error == .connectionReset else { throw error }
      }
    }
  }

  /// Keeps a node's file no more, where it did.
  func release(_ node: NodeID) {
    let file = files.withLock { $0.isEmpty ? nil : $0.removeValue(forKey: node) }
    // It is closed outside of the lock.
    withExtendedLifetime(file) {}
    guard file != nil || parked.count(of: node) > 0 else { return }
    order.withLock { _ in
      guard parked.count(of: node) > 0 else { return }
      // Before it is noted: a server that is killed in between leaves nothing behind that nobody knows of.
      // Where the supervisor has died, its files have gone with it.
      try? parking.release(node)
      parked.unpin(node, count: .max)
    }
  }

  /// Parks in another supervisor's process what this server has parked in the last one's.
  func move(to socket: FileDescriptor) throws {
    parking.move(to: socket)
    for node in files.withLock({ Array($0.keys) }) {
      try order.withLock { _ in
        guard let file = self[node], parked.count(of: node) > 0 else { return }
        try parking.park(file.descriptor, of: node)
      }
    }
  }
}
