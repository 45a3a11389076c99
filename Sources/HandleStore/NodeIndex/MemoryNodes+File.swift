extension MemoryNodes {
  /// A file to register.
  package struct File: Sendable {
    package let candidate: FoundFile
    package let filesystem: FilesystemID
    package let key: Key
    /// What its handle names; `nil` if it is opaque.
    package let file: FileKey?
    package let magic: FilesystemMagic
    let filesystems: KnownFilesystems
    let survivors: Survivors
    let incarnation: UInt32

    /// - Throws: ``StoreError/unknownFilesystem(_:)``.
    package init(
      _ candidate: FoundFile, on filesystem: FilesystemID, of filesystems: KnownFilesystems,
      _ survivors: Survivors, incarnation: UInt32
    ) throws {
      magic = try filesystems.magic(filesystem)
      (self.candidate, self.filesystem, self.filesystems) = (candidate, filesystem, filesystems)
      (self.survivors, self.incarnation) = (survivors, incarnation)
      file = candidate.handle.fileKey(on: magic)
      key = Key(candidate.handle, on: filesystem, magic)
    }

    /// What it says of its filesystem, given what was known before (``KnownFilesystem/note(_:)``);
    /// `nil` if that is nothing new.
    package func note(
      _ attempt: RegistrationAttempt, in known: KnownFilesystem?
    ) -> KnownFilesystem? {
      guard magic == .btrfs, case .done(let done) = attempt, done.outcome != .stale,
        var known, known.note(file)
      else { return nil }
      return known
    }

    /// The hint for an opaque handle.
    package var hint: Key? { file == nil ? .hint(filesystem, candidate.status.inode) : nil }

    func registration(_ node: NodeID, _ outcome: Registration.Outcome) -> RegistrationAttempt {
      .done(Registration(node: node, generation: incarnation, outcome: outcome))
    }

    /// The result if the file is gone.
    var staleResult: RegistrationAttempt { .done(.stale(generation: incarnation)) }
  }
}
