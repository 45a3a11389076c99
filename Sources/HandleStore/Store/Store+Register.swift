internal import SystemPackage

extension Store {
  /// Registers a file by its handle: finds its node, or mints one.
  ///
  /// Racing registrations of one file, from any threads, give one node, and exactly one of them is
  /// told ``Registration/Outcome-swift.enum/created``.
  ///
  /// - Parameters:
  ///   - handle: the file's handle on `filesystem`.
  ///   - status: the file's status, taken with the handle.
  ///   - filesystem: as ``attach(_:)`` gave it.
  ///   - parent: the node of the directory in which the file was found.
  /// - Returns: the node, the generation for the wire, and what was found.
  /// - Throws: ``StoreError/readOnly``, ``StoreError/unknownFilesystem(_:)``,
  ///   ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``, ``StoreError/closed``,
  ///   ``StoreError/forked``. Then nothing was registered.
  /// - Complexity: O(log nodes); a known file costs no commit.
  public func register(
    _ handle: KernelFileHandle, status: FileStatus, on filesystem: FilesystemID,
    parent: NodeID? = nil
  ) throws(StoreError) -> Registration {
    let candidate = Candidate(handle: handle, status: status, parent: parent)
    return try timed { () throws(StoreError) in
      if let known = try existing(candidate, on: filesystem) { return [known] }
      return try commit([candidate], on: filesystem)
    }[0]
  }

  /// Registers many files of one filesystem in one transaction, such as a directory's entries.
  ///
  /// - Returns: a result for each candidate, in order, the same as registering them one by one.
  /// - Throws: what ``register(_:status:on:parent:)`` throws. Then none was registered.
  /// - Complexity: O(candidates × log nodes), one commit.
  public func register(
    _ candidates: [Candidate], on filesystem: FilesystemID
  ) throws(StoreError) -> [Registration] {
    try timed { () throws(StoreError) in try commit(candidates, on: filesystem) }
  }

  private func commit(
    _ candidates: [Candidate], on filesystem: FilesystemID
  ) throws(StoreError) -> [Registration] {
    try guarded {
      try changing().perform(
        Registering(candidates: candidates, filesystem: filesystem, incarnation: incarnation))
    }
  }

  /// The result where the file is known and nothing has to be written.
  private func existing(
    _ candidate: Candidate, on filesystem: FilesystemID
  ) throws(StoreError) -> Registration? {
    try guarded {
      _ = try changing()
      let magic = try filesystems.magic(filesystem)
      let entry = IndexEntry(candidate.handle, on: filesystem, magic: magic)
      let transaction = try read()
      guard let id = try transaction.indexed(entry.key, tables)?.node,
        let record = try transaction.record(id, tables), record.state == .live,
        record.type == candidate.status.type, !candidate.moves(record),
        try transaction.isSameFile(
          candidate.handle, entry, as: record, id, tables, magic: magic)
      else { return nil }
      return Registration(node: id, generation: incarnation, outcome: .existing)
    }
  }

  private func timed(
    _ body: () throws(StoreError) -> [Registration]
  ) throws(StoreError) -> [Registration] {
    let start = SystemCalls.now
    let results = try body()
    counters.registerTimes.record(SystemCalls.now - start)
    for result in results { counters.registered(result.outcome) }
    return results
  }
}
