internal import HandleStore
internal import HandleLocks
internal import SystemPackage

/// Files that have lost their last name but that the kernel still knows: they may be open, or be a
/// process's working directory. The server keeps each of them open until the kernel forgets it. A
/// file that nothing else would keep if this process were killed is also parked in the supervisor.
final class Orphans: Sendable {
  private let files = Locked<[NodeID: BackingFile]>([:])
  private let parking: Parking
  /// Whether files are parked here. If all files are kept open, they are parked already.
  private let areParked: Bool
  /// The nodes whose files are parked, including those that earlier servers parked.
  private let parked: Pins
  private let store: Store
  /// Held while a file is parked or released, so that the messages keep their order.
  private let order = Locked(())

  init(in store: Store, parked: Pins, socket: FileDescriptor, areParked: Bool) {
    self.store = store
    self.areParked = areParked
    self.parked = parked
    parking = Parking(socket: socket)
    takeUp()
  }

  /// Opens the files that earlier servers have parked, as long as their supervisor holds them. If
  /// the supervisor dies, the next one gets the files from here.
  private func takeUp() {
    for node in parked.nodes {
      do throws(StoreError) {
        let file = BackingFile(try store.open(node))
        files.withLock { $0[node] = file }
      } catch {
        // Any other error may pass, as when there are no descriptors left.
        if error.errno == .stale { release(node) }
      }
    }
  }

  /// The nodes of the kept files that have no name left now.
  var nameless: [NodeID] { files.withLock { $0 }.filter { $0.value.hasNoName }.map(\.key) }

  subscript(node: NodeID) -> BackingFile? { files.withLock { $0.isEmpty ? nil : $0[node] } }

  var count: Int { files.withLock { $0.count } }

  /// Keeps a file that has lost its last name or is about to.
  ///
  /// - Parameter parks: whether to park the file in the supervisor as well.
  func hold(_ file: BackingFile, _ node: NodeID, parks: Bool) throws {
    files.withLock { $0[node] = file }
    if parks { try park(node) }
  }

  /// Parks a kept file in the supervisor as well; does nothing if the file is not kept.
  func park(_ node: NodeID) throws {
    guard areParked else { return }
    try order.withLock { _ in
      guard let file = self[node] else { return }
      if parked.count(of: node) == 0 { _ = try store.pin(node, by: parked) }
      do throws(StoreError) {
        try parking.park(file.descriptor, of: node)
      } catch {
        // If the supervisor was killed, the next one gets all parked files.
        guard [.brokenPipe, .connectionReset].contains(error.errno) else { throw error }
      }
    }
  }

  /// Stops keeping a node's file; does nothing if it is not kept.
  ///
  /// - Returns: the file that was kept. It is closed with its last reference.
  @discardableResult
  func release(_ node: NodeID) -> BackingFile? {
    let file = files.withLock { $0.isEmpty ? nil : $0.removeValue(forKey: node) }
    guard file != nil || parked.count(of: node) > 0 else { return nil }
    order.withLock { _ in
      guard parked.count(of: node) > 0 else { return }
      // The supervisor lets go first, then the record goes: a kill in between leaves no parked file
      // that nothing records. If the supervisor has died, its files have gone with it.
      try? parking.release(node)
      parked.unpin(node, count: .max)
    }
    return file
  }

  /// Parks the parked files again in a new supervisor, and all later ones too.
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
