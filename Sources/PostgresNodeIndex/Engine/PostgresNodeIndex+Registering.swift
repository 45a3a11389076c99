package import HandleStore
internal import Synchronization

/// The files of a thread that waits for them to be registered.
final class PendingFiles: Sendable {
  let files: [MemoryNodes.File]
  private let outcome = Mutex<Result<[RegistrationAttempt], any Error>?>(nil)

  init(_ files: [MemoryNodes.File]) { self.files = files }

  /// Valid once another thread has registered them.
  var result: Result<[RegistrationAttempt], any Error>? { outcome.withLock { $0 } }

  func end(_ result: Result<[RegistrationAttempt], any Error>) { outcome.withLock { $0 = result } }
}

extension PostgresNodeIndex {
  package func register(
    _ candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt {
    try register(batch: [candidate], on: filesystem, survivors)[0]
  }

  /// Known files are found in memory, or read together. Threads that register others at the same
  /// time share the round trips to the database.
  package func register(
    batch candidates: [FoundFile], on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> [RegistrationAttempt] {
    try requireOpen()
    let files = try candidates.map { try file($0, on: filesystem, survivors) }
    var results = files.map { cached($0) }
    var others = results.indices.filter { results[$0] == nil }.map { (place: $0, file: files[$0]) }
    if others.count > 1 {
      try readKnown(others.map(\.file))
      for (place, file) in others { results[place] = cached(file) }
      others.removeAll { results[$0.place] != nil }
    }
    if others.isEmpty { return results.compactMap(\.self) }
    for (other, attempt) in zip(others, try share(others.map(\.file))) {
      results[other.place] = attempt
      // Of several, some were looked up in readKnown(_:).
      if others.count == 1, other.file.file != nil, case .done(let done) = attempt,
        done.outcome == .existing
      {
        readAhead(around: [done.node])
      }
    }
    return results.compactMap(\.self)
  }

  private func file(
    _ candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> MemoryNodes.File {
    try MemoryNodes.File(
      candidate, on: filesystem, of: filesystems, survivors, incarnation: incarnation)
  }

  /// Reads the nodes of files that the database knows into memory. Unlike a registration it does
  /// not keep other threads from registering, and it reads only what a registration that changes
  /// nothing needs.
  ///
  /// A few files are looked up first. Their ids show where the others are likely to be, because the
  /// database reads consecutive ids much faster than it looks up keys. If none of them is known, the
  /// others count as new.
  private func readKnown(_ files: [MemoryNodes.File]) throws {
    // An opaque handle is never looked for in memory.
    let files = files.filter { $0.file != nil }
    guard local != nil, !files.isEmpty else { return }
    let sample = files.sample(atMost: 4)
    let found = try readIntoMemory(WorkingSet.nodes(of: sample.map(\.key)))
    readAhead(around: found)
    guard !found.isEmpty, sample.count < files.count else { return }
    let others = files.filter { cached($0) == nil }
    if !others.isEmpty { _ = try readIntoMemory(WorkingSet.nodes(of: others.map(\.key))) }
  }

  private func cached(_ file: MemoryNodes.File) -> RegistrationAttempt? {
    guard let node = local?.node(of: file) else { return nil }
    return .done(Registration(node: node, generation: incarnation, outcome: .existing))
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
      cache?.setHint(file.key.hash, done.node)
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
