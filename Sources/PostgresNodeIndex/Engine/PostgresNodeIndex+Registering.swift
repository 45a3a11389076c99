package import HandleStore
internal import HandleLocks

/// The files of a thread that waits for them to be registered.
final class PendingFiles: Sendable {
  let files: [MemoryNodes.File]
  private let outcome = Locked<Result<[RegistrationAttempt], any Error>?>(nil)

  init(_ files: [MemoryNodes.File]) { self.files = files }

  /// Valid once another thread has registered them.
  var result: Result<[RegistrationAttempt], any Error>? { outcome.withLock { $0 } }

  func end(_ result: Result<[RegistrationAttempt], any Error>) { outcome.withLock { $0 = result } }
}

extension PostgresNodeIndex {
  package func register(
    _ candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt {
    try requireOpen()
    let magic = try filesystems.magic(filesystem)
    if let id = local?.node(of: candidate, on: filesystem, magic) { return existing(id) }
    let file = try file(candidate, on: filesystem, survivors)
    let attempt = try share([file])[0]
    noteMiss(of: file, attempt)
    return attempt
  }

  /// Known files are found in memory, or read together. Threads that register others at the same
  /// time share the round trips to the database.
  package func register(
    batch candidates: [FoundFile], on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> [RegistrationAttempt] {
    try requireOpen()
    var results = [RegistrationAttempt?](repeating: nil, count: candidates.count)
    var others = try takeFromMemory(candidates, on: filesystem, &results)
    if others.count > 1, try readSample(of: others.map { candidates[$0] }, on: filesystem) {
      others = try takeFromMemory(candidates, on: filesystem, &results)
      if others.count > 1 {
        try readNodes(of: others.map { candidates[$0] }, on: filesystem)
        others = try takeFromMemory(candidates, on: filesystem, &results)
      }
    }
    if !others.isEmpty {
      let files = try others.map { try file(candidates[$0], on: filesystem, survivors) }
      let attempts = try share(files)
      for (place, attempt) in zip(others, attempts) { results[place] = attempt }
      // Of several, some were looked up in readSample(of:on:).
      if files.count == 1 { noteMiss(of: files[0], attempts[0]) }
    }
    return results.compactMap(\.self)
  }

  private func existing(_ node: NodeID) -> RegistrationAttempt {
    .done(Registration(node: node, generation: incarnation, outcome: .existing))
  }

  /// Reads ahead, if it seems worth it, when the database knew a file that was not in memory.
  private func noteMiss(of file: MemoryNodes.File, _ attempt: RegistrationAttempt) {
    guard file.file != nil, case .done(let done) = attempt, done.outcome == .existing else {
      return
    }
    readAhead(around: [done.node])
  }

  private func file(
    _ candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> MemoryNodes.File {
    try MemoryNodes.File(
      candidate, on: filesystem, of: filesystems, survivors, incarnation: incarnation)
  }

  /// Registers the files that are in memory and have no result yet. Returns the places of those that
  /// are not there.
  private func takeFromMemory(
    _ candidates: [FoundFile], on filesystem: FilesystemID, _ results: inout [RegistrationAttempt?]
  ) throws -> [Int] {
    let magic = try filesystems.magic(filesystem)
    var (others, last): ([Int], NodeID?) = ([], nil)
    for (place, candidate) in candidates.enumerated() {
      if results[place] == nil,
        let node = local?.node(of: candidate, on: filesystem, magic, after: last)
      {
        results[place] = existing(node)
      }
      if results[place] == nil { others.append(place) }
      if case .done(let done) = results[place] { last = done.node } else { last = nil }
    }
    return others
  }

  /// Reads the nodes of a few of many files into memory, and with them those that are likely to be
  /// the nodes of the others: the database reads consecutive ids much faster than it looks up keys.
  ///
  /// - Returns: whether the database knows any of the few; otherwise all count as new.
  private func readSample(of files: [FoundFile], on filesystem: FilesystemID) throws -> Bool {
    let found = try readNodes(of: files.sample(atMost: 4), on: filesystem)
    readAhead(around: found)
    return !found.isEmpty
  }

  /// Reads the nodes of files that the database knows into memory, and returns their ids. Unlike a
  /// registration it does not keep other threads from registering, and it reads only what a
  /// registration that changes nothing needs.
  @discardableResult
  private func readNodes(of files: [FoundFile], on filesystem: FilesystemID) throws -> [NodeID] {
    let magic = try filesystems.magic(filesystem)
    let keys = files.compactMap { file -> MemoryNodes.Key? in
      let key = MemoryNodes.Key(file.handle, on: filesystem, magic)
      // An opaque handle is never looked for in memory.
      if case .inode = key { return key } else { return nil }
    }
    return local == nil || keys.isEmpty ? [] : try readIntoMemory(WorkingSet.nodes(of: keys))
  }

  private func share(_ files: [MemoryNodes.File]) throws -> [RegistrationAttempt] {
    let pending = PendingFiles(files)
    while true {
      if !registrations.wait({ pending }) { registrations.lead(pending, registerTogether) }
      if let result = pending.result { return try result.get() }
    }
  }

  private func registerTogether(_ group: [PendingFiles]) {
    do {
      for (pending, attempts) in zip(group, try register(group.map(\.files))) {
        pending.end(.success(attempts))
      }
    } catch {
      for pending in group { pending.end(.failure(error)) }
    }
  }

  /// Registers the files of several threads in one change.
  private func register(_ groups: [[MemoryNodes.File]]) throws -> [[RegistrationAttempt]] {
    let all = groups.flatMap(\.self)
    let attempts = try writer.change(
      keys: all.flatMap(\.keys), minting: all.count, mayBeNew: true, limboLimit: limboLimit
    ) { nodes, _ in
      let attempts = groups.map { $0.map { nodes.register($0) } }
      return (attempts, changes(by: all, attempts.flatMap(\.self)))
    }
    for (file, attempt) in zip(all, attempts.flatMap(\.self)) {
      guard case .done(let done) = attempt, done.outcome != .stale else { continue }
      local?.setHint(file.candidate.handle, on: file.filesystem, file.magic, done.node)
    }
    return attempts
  }

  package func recordParent(of id: NodeID, _ candidate: FoundFile) throws -> Bool {
    try writer.change(ids: [id], limboLimit: limboLimit) { nodes, _ in
      (nodes.recordParent(of: id, candidate), [])
    }
  }

  package func move(
    _ id: NodeID, to candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt {
    let file = try file(candidate, on: filesystem, survivors)
    return try writer.change(keys: file.keys, ids: [id], limboLimit: limboLimit) { nodes, _ in
      let attempt = try nodes.move(id, to: file)
      return (attempt, changes(by: [file], [attempt]))
    }
  }
}

extension PostgresNodeIndex {
  /// Returns what registered files say of their filesystems (``KnownFilesystem/note(_:)``), if it
  /// is new.
  private func changes(
    by files: [MemoryNodes.File], _ attempts: [RegistrationAttempt]
  ) -> [FurtherChange] {
    var noted: [FilesystemID: KnownFilesystem] = [:]
    for (file, attempt) in zip(files, attempts) {
      let before = noted[file.filesystem] ?? filesystems[file.filesystem]
      if let known = file.note(attempt, in: before) { noted[file.filesystem] = known }
    }
    return noted.compactMap { id, known in
      filesystems[id].map { FurtherChange(replacing: $0.text, by: known, of: id) }
    }
  }
}

extension MemoryNodes.File {
  /// The keys under which the file is looked for.
  fileprivate var keys: [MemoryNodes.Key] { [key] + (hint.map { [$0] } ?? []) }
}

extension Array {
  /// Some elements from all over the array.
  fileprivate func sample(atMost most: Int) -> [Element] {
    if count <= most { return self }
    return (0..<most).map { self[$0 * (count - 1) / (most - 1)] }
  }
}
