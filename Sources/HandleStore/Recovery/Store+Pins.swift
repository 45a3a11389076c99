public import SystemPackage

extension Store {
  /// Takes up a client's pins from a file, such as a memfd, with the counts that are in it.
  ///
  /// The pins hold their nodes until ``remove(_:)``. A restarted server calls this before it drops
  /// any node. Other processes that share the store drop no node from the moment at which a server was
  /// killed until the next one has taken up its pins and calls ``Store/evict()``.
  ///
  /// - Parameter file: open for reading and writing. It stays the caller's, and may be closed. Only
  ///   one `Pins` at a time may use a file.
  /// - Throws: ``StoreError/system(_:_:)``, ``StoreError/tooManyOpenFiles``, ``StoreError/closed``,
  ///   ``StoreError/forked``.
  /// - Complexity: O(blocks): a system call for each block of 8,192 node ids in which a node was
  ///   ever pinned.
  public func pins(in file: FileDescriptor) throws(StoreError) -> Pins {
    try withStoreErrors {
      let pins: Pins
      do throws(Errno) {
        pins = try Pins(in: file)
      } catch {
        throw StoreError(error, "using a file of pins")
      }
      try index.beginPinning()
      holds.add(pins)
      do {
        // The process may have agreed that others drop some of these nodes, because nothing held them.
        if !holds.evictionCount.noneIsUnderWay {
          try holds.requireOpen()
          try index.keep(pins.nodes)
        }
      } catch {
        holds.remove(pins)
        throw error
      }
      return pins
    }
  }

  /// Ends what ``pins(in:)`` began: from now on these pins hold nothing. The file keeps its counts.
  ///
  /// - Complexity: O(clients). Any thread.
  public func remove(_ pins: Pins) { holds.remove(pins) }

  /// Pins a node that a client names by its id, if the store has the node.
  ///
  /// - Returns: whether the store has the node, live or stale. If `true`, the node is pinned and is
  ///   not dropped until the pins are taken back. If `false`, nothing is pinned.
  /// - Throws: ``StoreError/system(_:_:)`` if there is no room for the count,
  ///   ``StoreError/damaged(_:)``, ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: that of ``node(_:)``. Any thread; it waits only for an eviction of this very
  ///   node.
  public func pin(
    _ id: NodeID, count: UInt64 = 1, by pins: Pins
  ) throws(StoreError) -> Bool {
    try withStoreErrors {
      let before = holds.evictionCount
      // Check this first: an id that a client made up must not take room in the file.
      guard try find(id) != nil else { return false }
      try pins.add(count, to: id)
      return try staysPinned(id, since: before, count, by: pins)
    }
  }

  /// Returns whether a node still exists that existed after a moment and that was pinned after it. If
  /// not, or if that cannot be told, takes the pins back.
  private func staysPinned(
    _ id: NodeID, since before: Holds.EvictionCount, _ count: UInt64 = 1, by pins: Pins
  ) throws -> Bool {
    do {
      if try isThere(id, heldSince: before) { return true }
    } catch {
      pins.unpin(id, count: count)
      throw error
    }
    pins.unpin(id, count: count)
    return false
  }

  /// Returns whether a node still exists that existed after a moment and that has been held since.
  /// If so, it stays.
  func isThere(_ id: NodeID, heldSince before: Holds.EvictionCount) throws -> Bool {
    if holds.noneBegan(since: before) { return true }
    return try gone(of: [id]).isEmpty
  }

  /// Returns those of some held nodes that do not exist any more. The others stay.
  private func gone(of ids: [NodeID]) throws -> Set<NodeID> {
    try holds.requireOpen()
    for id in ids { holds.waitForEviction(of: id) }
    try index.keep(ids)
    return Set(try ids.filter { try find($0) == nil })
  }
}

/// Registers and pins in one step.
extension Store {
  func registered(
    _ candidate: FoundFile, on filesystem: FilesystemID, pinnedBy pins: Pins
  ) throws -> Registration {
    var replaced: NodeID?
    while true {
      let before = holds.evictionCount
      let found = try registered(candidate, on: filesystem)
      if case .replaced(let old) = found.outcome { replaced = old }
      try pins.add(1, to: found.node)
      if try staysPinned(found.node, since: before, by: pins) {
        return found.replacing(replaced)
      }
    }
  }

  func registered(
    _ candidates: [FoundFile], on filesystem: FilesystemID, pinnedBy pins: Pins
  ) throws -> [Registration] {
    let before = holds.evictionCount
    var results = try registered(candidates, on: filesystem)
    var pinned: [NodeID] = []
    pinned.reserveCapacity(results.count)
    do {
      for result in results where result.outcome != .stale {
        try pins.add(1, to: result.node)
        pinned.append(result.node)
      }
      if holds.noneBegan(since: before) { return results }
      let gone = try gone(of: pinned)
      for node in pinned where gone.contains(node) { pins.unpin(node) }
      pinned.removeAll(where: gone.contains)
      for (i, result) in results.enumerated() where gone.contains(result.node) {
        results[i] = try again(candidates[i], after: result, on: filesystem, pinnedBy: pins)
        if results[i].outcome != .stale { pinned.append(results[i].node) }
      }
      return results
    } catch {
      for node in pinned { pins.unpin(node) }
      throw error
    }
  }

  /// Registers a file once more, because its node was dropped before it could be pinned.
  private func again(
    _ candidate: FoundFile, after first: Registration, on filesystem: FilesystemID,
    pinnedBy pins: Pins
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
  /// The same registration, but with the node that an earlier try replaced.
  fileprivate func replacing(_ old: NodeID?) -> Registration {
    guard let old else { return self }
    return Registration(node: node, generation: generation, outcome: .replaced(old))
  }
}
