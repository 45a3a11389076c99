import ArgumentParser
import Formatting
import HandleStore
import PostgresNodeIndex
import SystemPackage

/// The argument `STORE` of each command that works on a store.
struct StoreArgument: ParsableArguments {
  @Argument(
    help: "The store's directory, or shared:CONNECTION for a store in a database.",
    completion: .directory)
  var store: StoreLocation

  /// Opens the store for reading, runs `body`, and closes it. Another process may write to the
  /// store.
  func reading<R>(_ body: (Store) throws -> R) throws -> R {
    switch store {
    case .directory(let path): try opened(path, StoreOptions(readOnly: true), body)
    case .shared(let connection): try Self.closing(Store(shared: connection.text), body)
    }
  }

  /// Like ``reading(_:)``, for commands that read the whole store. Checks the store first, because
  /// LMDB silently skips entries that are missing on a damaged page.
  func readingAll<R>(_ body: (Store) throws -> R) throws -> R {
    if case .directory(let path) = store { try Self.requireSound(path) }
    return try reading(body)
  }

  /// Opens the store for writing, runs `body`, and closes it. The store must exist and be sound.
  func writing<R>(_ body: (Store) throws -> R) throws -> R {
    // Opening for writing would make a store if there is none. And changes to a damaged store may
    // be lost and do more damage.
    switch store {
    case .directory(let path):
      try Self.requireSound(path)
      return try opened(path, StoreOptions(), body)
    case .shared(let connection): return try Self.writing(connection, body)
    }
  }

  /// Joins a shared store, which must exist, runs `body`, and leaves.
  static func writing<R>(
    _ connection: DatabaseConnection, _ body: (Store) throws -> R
  ) throws -> R {
    try Store(shared: connection.text).close()
    return try closing(Store(joining: connection.text), body)
  }

  /// Like ``writing(_:)``, but makes the store if there is none.
  func making<R>(_ options: StoreOptions, _ body: (Store) throws -> R) throws -> R {
    do throws(StoreError) {
      switch store {
      case .directory(let path): try Self.requireSound(path)
      case .shared(let connection): try Store(shared: connection.text).close()
      }
    } catch .noStore {
    }
    switch store {
    case .directory(let path): return try opened(path, options, body)
    case .shared(let connection):
      return try Self.closing(Store(joining: connection.text), body)
    }
  }

  private static func closing<R>(_ store: Store, _ body: (Store) throws -> R) throws -> R {
    // After an error, too: a gateway leaves.
    let result = Result { try body(store) }
    try store.close()
    return try result.get()
  }

  /// Opens the store, runs `body`, and closes it. Throws if data cannot be flushed at the end.
  private func opened<R>(
    _ path: FilePath, _ options: StoreOptions, _ body: (Store) throws -> R
  ) throws -> R {
    let words =
      "handlestore: LMDB crashed while it read the store in \(Text.path(path)): a page of the "
      + "store is damaged; run `handlestore check` and then `handlestore repair` on it"
    do {
      return try CrashGuard.during(message: words, status: ExitStatus.store.rawValue) {
        try Self.closing(Store(at: path, options: options), body)
      }
    } catch let error as StoreError where error.mayBeOfDamage {
      // The missing entry may be on a damaged page, on which LMDB did not find it.
      try Self.requireSound(path)
      throw error
    }
  }

  /// Throws unless the store exists and is intact.
  private static func requireSound(_ path: FilePath) throws(StoreError) {
    let report = try Store.check(at: path, findings: 1)
    guard let first = report.findings.first else { return }
    let more = report.findingCount - 1
    throw .damaged(
      first.description + (more > 0 ? " (and \(Text.grouped(more)) more)" : ""))
  }
}

extension StoreArgument {
  /// The directory, for what only a store in a directory has; `nil` for a shared store.
  var directory: FilePath? {
    if case .directory(let path) = store { path } else { nil }
  }

  /// Returns the directory.
  ///
  /// - Parameter instead: what to do with a shared store instead, for the message.
  func requireDirectory(instead: String) throws -> FilePath {
    guard let directory else {
      throw ValidationError("this store is in a database; \(instead)")
    }
    return directory
  }

  /// Runs `body` with the place of the store's keys. A server may have the store open.
  func withKeys<R>(_ body: (KeyPlace) throws -> R) throws -> R {
    switch store {
    case .directory(let path): try body(KeyPlace(ofStoreAt: path))
    case .shared: try reading { try body($0.keyPlace) }
    }
  }
}

/// The arguments `STORE` and `EXPORT` of each command that works on an export.
struct ExportArguments: ParsableArguments {
  @OptionGroup var argument: StoreArgument
  @Argument(help: "The export's name, as 'export list' prints it.")
  var export: String

  /// Opens the export for reading, runs `body`, and closes the store. Another process may write to
  /// the store.
  func reading<R>(_ body: (Store, Export) throws -> R) throws -> R {
    try argument.reading { try body($0, $0.openExport(export)) }
  }

  /// Opens the export so that files can be registered, runs `body`, and closes the store.
  func writing<R>(_ body: (Store, Export) throws -> R) throws -> R {
    try argument.writing { try body($0, $0.openExport(export)) }
  }
}

/// The option `--json` of each command that prints figures.
struct JSONOption: ParsableArguments {
  @Flag(help: "Print JSON for programs, with numbers in full.")
  var json = false
}
