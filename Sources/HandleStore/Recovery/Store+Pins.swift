public import SystemPackage

extension Store {
  /// Takes up the pins of a client from a file, such as a memfd, with the counts that it has.
  ///
  /// They hold their nodes until ``remove(_:)``. A server that was started again does this before it
  /// drops anything.
  ///
  /// - Parameter file: open for reading and writing; it stays the caller's, and may be closed. One file
  ///   is used by one `Pins` at a time.
  /// - Throws: ``StoreError/system(_:_:)``, ``StoreError/tooManyOpenFiles``, ``StoreError/closed``,
  ///   ``StoreError/forked``.
  /// - Complexity: O(what the file holds): a system call for each 8,192 node ids of which one was pinned.
  public func pins(in file: FileDescriptor) throws(StoreError) -> Pins {
    try guarded {
      do throws(Errno) {
        let pins = try Pins(in: file)
        holds.add(pins)
        return pins
      } catch {
        throw StoreError(error, "using a file of pins")
      }
    }
  }

  /// Ends what ``pins(in:)`` began: from here on these pins hold nothing. The file keeps its counts.
  ///
  /// - Complexity: O(clients). Any thread.
  public func remove(_ pins: Pins) { holds.remove(pins) }

  /// Pins a node that a client names by its id, where the store has it.
  ///
  /// - Returns: whether the store has the node, live or stale; then it is pinned, and not dropped before
  ///   the pins are taken back. Otherwise it is not pinned.
  /// - Throws: ``StoreError/system(_:_:)`` where there is no room for the count,
  ///   ``StoreError/damaged(_:)``, ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: that of ``node(_:)``. Any thread; it waits only for a dropping of this very node.
  public func pin(
    _ id: NodeID, count: UInt64 = 1, by pins: Pins
  ) throws(StoreError) -> Bool {
    try guarded {
      let moment = holds.moment
      // First of all: a made-up number must not take room.
      guard try find(id) != nil else { return false }
      try pins.add(count, to: id)
      if try isThere(id, heldSince: moment) { return true }
      pins.unpin(id, count: count)
      return false
    }
  }

  /// Whether a node that the store had after a moment, and that has been held since, is still there; then
  /// it stays.
  func isThere(_ id: NodeID, heldSince moment: Holds.Moment) throws -> Bool {
    if moment.isQuiet && holds.moment == moment { return true }
    holds.waitForEviction(of: id)
    return try find(id) != nil
  }
}

/// Registering and pinning as one.
extension Store {
  func registered(
    _ candidate: Candidate, on filesystem: FilesystemID, pinnedBy pins: Pins
  ) throws -> Registration {
    var replaced: NodeID?
    while true {
      let moment = holds.moment
      let found = try registered(candidate, on: filesystem)
      if case .replaced(let old) = found.outcome { replaced = old }
      try pins.add(1, to: found.node)
      if try isThere(found.node, heldSince: moment) { return found.replacing(replaced) }
      pins.unpin(found.node)
    }
  }

  func registered(
    _ candidates: [Candidate], on filesystem: FilesystemID, pinnedBy pins: Pins
  ) throws -> [Registration] {
    let moment = holds.moment
    var results = try registered(candidates, on: filesystem)
    var pinned: [NodeID] = []
    pinned.reserveCapacity(results.count)
    do {
      for (i, result) in results.enumerated() where result.outcome != .stale {
        try pins.add(1, to: result.node)
        if try isThere(result.node, heldSince: moment) {
          pinned.append(result.node)
          continue
        }
        pins.unpin(result.node)
        results[i] = try again(candidates[i], result, on: filesystem, pins)
        if results[i].outcome != .stale { pinned.append(results[i].node) }
      }
      return results
    } catch {
      for node in pinned { pins.unpin(node) }
      throw error
    }
  }

  /// Registers a file whose node was dropped before it could be pinned.
  private func again(
    _ candidate: Candidate, _ first: Registration, on filesystem: FilesystemID, _ pins: Pins
  ) throws -> Registration {
    let found: Registration
    do {
      found = try registered(candidate, on: filesystem, pinnedBy: pins)
    } catch StoreError.staleHandle {
      return .stale(generation: incarnation)
    }
    guard case .replaced(let old) = first.outcome else { return found }
    return found.replacing(old)
  }
}

extension Registration {
  /// The same, with the node that an earlier try has replaced.
  fileprivate func replacing(_ old: NodeID?) -> Registration {
    guard let old else { return self }
    return Registration(node: node, generation: generation, outcome: .replaced(old))
  }
}
