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

  /// Known files are found in memory, or read together. Threads that register others at the same time
  /// share the round trips to the database.
  package func register(
    batch candidates: [FoundFile], on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> [RegistrationAttempt] {
    try requireOpen()
    let files = try candidates.map { try file($0, on: filesystem, survivors) }
    var results = files.map { cached($0) }
    var others = results.indices.filter { results[$0] == nil }
    if others.count > 1 {
      // An opaque handle is never looked for in memory.
      try readKnown(others.map { files[$0] }.filter { $0.file != nil })
      for i in others { results[i] = cached(files[i]) }
      others.removeAll { results[$0] != nil }
    }
    if !others.isEmpty {
      for (i, attempt) in zip(others, try share(others.map { files[$0] })) {
        results[i] = attempt
        if files.count == 1, files[i].file != nil, case .done(let done) = attempt,
          done.outcome == .existing
        {
          readAhead(around: done.node)
        }
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

  /// Reads the nodes of files that the database knows into memory. Unlike a registration it does not keep
  /// other threads from registering, and it reads only what a registration that changes nothing needs. So
  /// a directory that another gateway has registered costs little more than a round trip.
  private func readKnown(_ files: [MemoryNodes.File]) throws {
    guard let cache, !files.isEmpty else { return }
    let tickets = cache.tickets()
    let rows = try database.read(WorkingSet.nodes(of: files.map(\.key)))
    for row in 0..<rows.count {
      let (id, record, _) = try rows.record(row)
      cache.insert(id, record, ticket: tickets[id])
      guard let place = rows.integer(row, 10).map({ Int($0) - 1 }), files.indices.contains(place)
      else { continue }
      cache.setHint(files[place].key.hash, id)
    }
  }

  private func cached(_ file: MemoryNodes.File) -> RegistrationAttempt? {
    guard let key = file.file,
      let node = cache?.node(
        of: file.candidate, key, under: file.key.hash, on: file.filesystem, file.magic)
    else { return nil }
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
    let (attempts, news) = try writer.change(
      keys: all.flatMap(\.keys), minting: all.count, mayBeNew: true, limboLimit: limboLimit
    ) { nodes, _ in
      let attempts = groups.map { $0.map { nodes.register($0) } }
      let news = findNews(all, attempts.flatMap(\.self))
      return ((attempts, news), news.map(\.statement))
    }
    take(news)
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
    let (attempt, news) = try writer.change(
      keys: file.keys, ids: [id], limboLimit: limboLimit
    ) { nodes, _ in
      let attempt = try nodes.move(id, to: file)
      let news = findNews([file], [attempt])
      return ((attempt, news), news.map(\.statement))
    }
    take(news)
    return attempt
  }
}

// MARK: What files say of their filesystem

extension PostgresNodeIndex {
  private struct News {
    let filesystem: FilesystemID
    let known: KnownFilesystem
    let statement: Statement
  }

  /// Returns what registered files say of their filesystems (``KnownFilesystem/note(_:)``), if it is new.
  private func findNews(
    _ files: [MemoryNodes.File], _ attempts: [RegistrationAttempt]
  ) -> [News] {
    var noted: [FilesystemID: KnownFilesystem] = [:]
    for (file, attempt) in zip(files, attempts) {
      let before = noted[file.filesystem] ?? filesystems[file.filesystem]
      if let known = file.note(attempt, in: before) { noted[file.filesystem] = known }
    }
    return noted.compactMap { id, known in
      guard let before = filesystems[id] else { return nil }
      return News(
        filesystem: id, known: known, statement: replacing(before.text, by: known, id))
    }
  }

  private func take(_ news: [News]) {
    for one in news { filesystems[one.filesystem] = one.known }
  }
}

extension MemoryNodes.File {
  /// The keys under which the file is looked for.
  fileprivate var keys: [MemoryNodes.Key] { [key] + (hint.map { [$0] } ?? []) }
}

extension MemoryNodes.Key {
  /// For this process only.
  var hash: UInt64 { UInt64(bitPattern: Int64(hashValue)) }
}
