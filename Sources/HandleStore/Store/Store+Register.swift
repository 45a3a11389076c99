internal import SystemPackage

extension Store {
  /// Registers a file by its handle: finds its node, or mints one.
  ///
  /// If several threads register one file at the same time, all get the same node, and exactly one
  /// gets ``Registration/Outcome-swift.enum/created``.
  ///
  /// If the inode is known under another generation, the kernel decides: the file that can still be
  /// opened has the inode, and the other one is stale. If the filesystem is not attached, the
  /// kernel cannot be asked, and the store believes the new file.
  ///
  /// - Parameters:
  ///   - handle: the file's handle on `filesystem`.
  ///   - status: the file's status, taken with the handle. If `filesystem` is attached, the device
  ///     number reveals files of other filesystems; the number 0 is not checked.
  ///   - filesystem: the id that ``attach(_:)`` returned.
  ///   - parent: the node of the directory in which the file was found.
  ///   - pins: where to count a pin for the node. The node is not dropped until the pin is taken
  ///     back.
  /// - Returns: the node, the generation for the wire, and the outcome.
  /// - Throws: ``StoreError/staleHandle(_:)`` if the file is gone and its inode belongs to another
  ///   one, ``StoreError/readOnly``, ``StoreError/unknownFilesystem(_:)``,
  ///   ``StoreError/wrongFilesystem(_:_:)``, ``StoreError/diskFull(path:)``,
  ///   ``StoreError/damaged(_:)``, ``StoreError/closed``, ``StoreError/forked``. Then nothing was
  ///   registered. ``StoreError/system(_:_:)`` if there is no room for a pin; then nothing is
  ///   pinned.
  /// - Complexity: O(log nodes), without a commit for a known file. A reused inode costs a second
  ///   transaction and two system calls.
  public func register(
    _ handle: KernelFileHandle, status: FileStatus, on filesystem: FilesystemID,
    parent: NodeID? = nil, pinnedBy pins: Pins? = nil
  ) throws(StoreError) -> Registration {
    let candidate = Candidate(handle: handle, status: status, parent: parent)
    let start = SystemCalls.now
    let result = try guarded {
      guard let pins else { return try registered(candidate, on: filesystem) }
      return try registered(candidate, on: filesystem, pinnedBy: pins)
    }
    counters.registerTimes.record(SystemCalls.now - start)
    counters.registered(result.outcome)
    noteGrowth(at: start)
    return result
  }

  /// Registers a file that was found by name or descriptor:
  /// ``register(_:status:on:parent:pinnedBy:)``.
  public func register(
    _ file: FoundFile, on filesystem: FilesystemID, parent: NodeID? = nil,
    pinnedBy pins: Pins? = nil
  ) throws(StoreError) -> Registration {
    try register(
      file.handle, status: file.status, on: filesystem, parent: parent, pinnedBy: pins)
  }

  /// Registers many files of one filesystem in one transaction, such as the entries of a directory.
  ///
  /// - Parameters:
  ///   - candidates: the files.
  ///   - filesystem: the id that ``attach(_:)`` returned.
  ///   - pins: where to count a pin for the node of each candidate.
  /// - Returns: a result for each candidate, in order. The outcome is
  ///   ``Registration/Outcome-swift.enum/stale`` for a file that is gone and whose inode belongs to
  ///   another file by now.
  /// - Throws: what ``register(_:status:on:parent:pinnedBy:)`` throws. Then some files may be
  ///   registered; registering them again does no harm.
  /// - Complexity: O(candidates × log nodes), one commit, and another one if an inode was reused.
  public func register(
    _ candidates: [Candidate], on filesystem: FilesystemID, pinnedBy pins: Pins? = nil
  ) throws(StoreError) -> [Registration] {
    let start = SystemCalls.now
    let results = try guarded {
      guard let pins else { return try registered(candidates, on: filesystem) }
      return try registered(candidates, on: filesystem, pinnedBy: pins)
    }
    counters.registerTimes.record(SystemCalls.now - start)
    for result in results { counters.registered(result.outcome) }
    noteGrowth(at: start)
    return results
  }

  @inline(__always)
  func registered(_ candidate: Candidate, on filesystem: FilesystemID) throws -> Registration {
    let writer = try changing()
    let registrar = try registrar(on: filesystem)
    try requireOwn(candidate, filesystem)
    let entry = registrar.entry(candidate.handle)
    if let known = try existing(candidate, entry, registrar, writer) { return known }
    do {
      var change = RegisteringOne(candidate: candidate, entry: entry, registrar: registrar)
      while true {
        switch try writer.perform(change) {
        case .done(let registration): return registration
        case .contested(let old):
          change.competitors[old] = try keepsFile(old, against: candidate, entry, on: filesystem)
        }
      }
    } catch {
      guard case .diskFull = StoreError(any: error, path: path) else { throw error }
      return try known([candidate], registrar, else: error)[0]
    }
  }

  func registered(
    _ candidates: [Candidate], on filesystem: FilesystemID
  ) throws -> [Registration] {
    let writer = try changing()
    let registrar = try registrar(on: filesystem)
    var last: UInt64 = 0
    let span = candidates.span
    for i in span.indices where span[i].status.device != last {
      last = span[i].status.device
      try requireOwn(span[i], filesystem)
    }
    do {
      let attempts = try writer.perform(Registering(candidates: candidates, registrar: registrar))
      return try settled(attempts, of: candidates, registrar, writer)
    } catch {
      guard case .diskFull = StoreError(any: error, path: path) else { throw error }
      return try known(candidates, registrar, else: error)
    }
  }

  /// Asks the kernel about the contested candidates of a batch, then registers them.
  private func settled(
    _ attempts: [RegistrationAttempt], of candidates: [Candidate], _ registrar: Registrar,
    _ writer: Writer
  ) throws -> [Registration] {
    var attempts = attempts
    var competitors: Competitors = [:]
    while true {
      var open: [Int] = []
      for (i, attempt) in attempts.enumerated() {
        guard case .contested(let old) = attempt else { continue }
        do {
          let entry = registrar.entry(candidates[i].handle)
          competitors[old] = try keepsFile(
            old, against: candidates[i], entry, on: registrar.filesystem)
          open.append(i)
        } catch StoreError.staleHandle {
          attempts[i] = .done(.stale(generation: incarnation))
        }
      }
      if open.isEmpty { break }
      let again = try writer.perform(
        Registering(
          candidates: open.map { candidates[$0] }, registrar: registrar, competitors: competitors))
      for (i, attempt) in zip(open, again) { attempts[i] = attempt }
    }
    return attempts.compactMap {
      if case .done(let registration) = $0 { registration } else { nil }
    }
  }

  /// Returns the results if all files are known: these need no room on a full disk.
  ///
  /// - Throws: `error` if a file is not known.
  private func known(
    _ candidates: [Candidate], _ registrar: Registrar, else error: any Error
  ) throws -> [Registration] {
    try candidates.map { candidate in
      let entry = registrar.entry(candidate.handle)
      guard let node = try recorded(candidate, entry, registrar.magic) else { throw error }
      return Registration(node: node, generation: incarnation, outcome: .existing)
    }
  }

  private func registrar(on filesystem: FilesystemID) throws -> Registrar {
    Registrar(
      filesystem: filesystem, magic: try filesystems.magic(filesystem), incarnation: incarnation)
  }

  /// Refuses a file of another filesystem. A name that is a mount point leads to one, and there the
  /// same handle names another file.
  func requireOwn(_ candidate: Candidate, _ filesystem: FilesystemID) throws {
    let device = candidate.status.device
    guard filesystems.mayBeElsewhere(device, filesystem) else { return }
    guard let file = try opened(candidate, filesystem) else {
      throw StoreError.wrongFilesystem(candidate.handle, filesystem)
    }
    filesystems.learn(device, by: file, of: filesystem)
  }

  /// Returns the file that a candidate's handle opens on a filesystem, or `nil` if it does not have
  /// the candidate's device number and inode number.
  private func opened(
    _ candidate: Candidate, _ filesystem: FilesystemID
  ) throws -> OwnedDescriptor? {
    let mount = try filesystems.mount(filesystem).0
    do throws(Errno) {
      let file = OwnedDescriptor(
        try candidate.handle.open(on: mount.descriptor, flags: SystemCalls.path))
      let status = try FileStatus(of: file.descriptor)
      return status.device == candidate.status.device && status.inode == candidate.status.inode
        ? file : nil
    } catch .staleHandle {
      return nil
    } catch {
      throw StoreError(error, "opening handle \(candidate.handle)")
    }
  }

  /// Returns the result if the file is known and nothing has to be written.
  ///
  /// If the writer does not wait for the disk, this asks only the cache: a look-up by the writer
  /// costs less than two look-ups.
  private func existing(
    _ candidate: Candidate, _ entry: IndexEntry, _ registrar: Registrar, _ writer: Writer
  ) throws -> Registration? {
    let waits =
      options.durability == .power || !writer.hasReservedIDs || candidate.mayHaveFurtherPlaces
    let node =
      try remembered(candidate, entry, registrar)
      ?? (waits ? recorded(candidate, entry, registrar.magic) : nil)
    return node.map { Registration(node: $0, generation: incarnation, outcome: .existing) }
  }

  /// Returns the file's node from the cache.
  private func remembered(
    _ candidate: Candidate, _ entry: IndexEntry, _ registrar: Registrar
  ) -> NodeID? {
    guard !entry.isOpaque, let cache, let id = cache.hint(entry.key.hash),
      let record = cache.find(id).0, record.filesystem == registrar.filesystem,
      record.isLive(candidate), !candidate.hasFurtherPlace(record),
      record.inlineHandle?.identity(on: registrar.magic) == entry.identity
    else { return nil }
    return id
  }

  /// Returns the file's node from LMDB.
  private func recorded(
    _ candidate: Candidate, _ entry: IndexEntry, _ magic: FilesystemMagic
  ) throws -> NodeID? {
    let transaction = try read()
    guard let id = try transaction.indexed(entry.key, tables)?.node,
      let record = try transaction.record(id, tables), record.isLive(candidate),
      try transaction.isSameFile(candidate.handle, entry, as: record, id, tables, magic: magic)
    else { return nil }
    guard candidate.hasFurtherPlace(record), let parent = candidate.parent else { return id }
    return try transaction.has(Place(id, in: parent), tables) ? id : nil
  }
}

extension Record {
  /// Whether this is a live node of the candidate's type, and the candidate does not change its
  /// parent.
  fileprivate func isLive(_ candidate: Candidate) -> Bool {
    state == .live && type == candidate.status.type && !candidate.moves(self)
  }
}
