internal import SystemPackage

extension Store {
  /// Registers a file: finds its node, or mints one.
  ///
  /// If several threads register one file at the same time, all get the same node, and exactly one
  /// gets ``Registration/Outcome-swift.enum/created``.
  ///
  /// If the inode is known under another generation, the kernel decides: the file that can still be
  /// opened has the inode, and the other one is stale. If the filesystem is not attached, the
  /// kernel cannot be asked, and the store believes the new file.
  ///
  /// - Parameters:
  ///   - file: the file. If `filesystem` is attached, the device number in its status reveals files
  ///     of other filesystems; the number 0 is not checked.
  ///   - filesystem: the id that ``attach(_:named:)`` returned.
  ///   - pins: where to count a pin for the node. The node is not dropped until the pin is taken
  ///     back.
  /// - Returns: the node, the generation for the wire, and the outcome.
  /// - Throws: ``StoreError/staleHandle(_:)`` if the file is gone and its inode belongs to another
  ///   one, ``StoreError/readOnly``, ``StoreError/unknownFilesystem(_:)``,
  ///   ``StoreError/wrongFilesystem(_:_:)``, ``StoreError/diskFull(path:)``,
  ///   ``StoreError/damaged(_:)``, ``StoreError/closed``, ``StoreError/forked``. Then nothing was
  ///   registered. ``StoreError/system(_:_:)`` if there is no room for a pin; then nothing is
  ///   pinned.
  /// - Complexity: O(log nodes), without a write for a known file. A reused inode costs a second
  ///   write and two system calls.
  public func register(
    _ file: FoundFile, on filesystem: FilesystemID, pinnedBy pins: Pins? = nil
  ) throws(StoreError) -> Registration {
    let start = SystemCalls.now
    let result = try withStoreErrors {
      guard let pins else { return try registered(file, on: filesystem) }
      return try registered(file, on: filesystem, pinnedBy: pins)
    }
    counters.record(SystemCalls.now - start, in: .registerTimes)
    counters.registered(result.outcome)
    noteGrowth(at: start)
    return result
  }

  /// Registers many files of one filesystem in one atomic write, such as the entries of a directory.
  ///
  /// - Parameters:
  ///   - files: the files.
  ///   - filesystem: the id that ``attach(_:named:)`` returned.
  ///   - pins: where to count a pin for the node of each file.
  /// - Returns: a result for each file, in order. The outcome is
  ///   ``Registration/Outcome-swift.enum/stale`` for a file that is gone and whose inode belongs to
  ///   another file by now.
  /// - Throws: what ``register(_:on:pinnedBy:)`` throws. Then some files may be registered;
  ///   registering them again does no harm.
  /// - Complexity: O(files × log nodes), one write, and another one if an inode was reused.
  public func register(
    batch files: [FoundFile], on filesystem: FilesystemID, pinnedBy pins: Pins? = nil
  ) throws(StoreError) -> [Registration] {
    let start = SystemCalls.now
    let results = try withStoreErrors {
      guard let pins else { return try registered(files, on: filesystem) }
      return try registered(files, on: filesystem, pinnedBy: pins)
    }
    counters.record(SystemCalls.now - start, in: .registerTimes)
    counters.registered(results)
    noteGrowth(at: start)
    return results
  }

  @inline(__always)
  func registered(_ candidate: FoundFile, on filesystem: FilesystemID) throws -> Registration {
    try requireWriting()
    try requireOwn(candidate, filesystem)
    return try decided(candidate, on: filesystem) {
      try index.register(candidate, on: filesystem, $0)
    }
  }

  func registered(
    _ candidates: [FoundFile], on filesystem: FilesystemID
  ) throws -> [Registration] {
    try requireWriting()
    try requireOwn(candidates, filesystem)
    var survivors = Survivors()
    var attempts = try index.register(batch: candidates, on: filesystem, survivors)
    while true {
      var contested: [Int] = []
      for (i, attempt) in attempts.enumerated() {
        guard case .contested(let other) = attempt else { continue }
        survivors[candidates[i].handle, other.handle] = try survivor(
          of: candidates[i], and: other, on: filesystem)
        contested.append(i)
      }
      if contested.isEmpty { break }
      let again = try index.register(
        batch: contested.map { candidates[$0] }, on: filesystem, survivors)
      for (i, attempt) in zip(contested, again) { attempts[i] = attempt }
    }
    return attempts.compactMap {
      if case .done(let registration) = $0 { registration } else { nil }
    }
  }

  private func requireOwn(_ candidates: [FoundFile], _ filesystem: FilesystemID) throws {
    var last: UInt64 = 0
    let span = candidates.span
    for i in span.indices where span[i].status.device != last {
      last = span[i].status.device
      try requireOwn(span[i], filesystem)
    }
  }

  /// Refuses a file of another filesystem. A name that is a mount point leads to one, and there the
  /// same handle names another file.
  func requireOwn(_ candidate: FoundFile, _ filesystem: FilesystemID) throws {
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
    _ candidate: FoundFile, _ filesystem: FilesystemID
  ) throws -> OwnedDescriptor? {
    let mount = try filesystems.mount(filesystem).0
    do throws(Errno) {
      let file = OwnedDescriptor(
        try candidate.handle.open(on: mount.descriptor, flags: SystemCalls.path))
      let status = try FullStatus(of: file.descriptor).file
      return status.isOfSameFile(as: candidate.status) ? file : nil
    } catch .staleHandle {
      return nil
    } catch {
      throw StoreError(error, "opening handle \(candidate.handle)")
    }
  }
}
