import ArgumentParser
import Formatting
import HandleStore
import SystemPackage

/// The argument `STORE` of each command that works on a store.
struct StoreArgument: ParsableArguments {
  @Argument(help: "The store's directory.", completion: .directory)
  var store: FilePath

  /// Opens the store for reading, runs `body`, and closes it. Another process may write to the
  /// store.
  func reading<R>(_ body: (Store) throws -> R) throws -> R {
    try opened(StoreOptions(readOnly: true), body)
  }

  /// Like ``reading(_:)``, for commands that read the whole store. Checks the store first, because
  /// LMDB silently skips entries that are missing on a damaged page.
  func readingAll<R>(_ body: (Store) throws -> R) throws -> R {
    try requireSound()
    return try reading(body)
  }

  /// Opens the store for writing, runs `body`, and closes it. The store must exist and be sound.
  func writing<R>(_ body: (Store) throws -> R) throws -> R {
    // Opening for writing would make a store if there is none. And changes to a damaged store may
    // be lost and do more damage.
    try requireSound()
    return try opened(StoreOptions(), body)
  }

  /// Like ``writing(_:)``, but makes the store if there is none.
  func making<R>(_ options: StoreOptions, _ body: (Store) throws -> R) throws -> R {
    do throws(StoreError) {
      try requireSound()
    } catch .noStore {
    }
    return try opened(options, body)
  }

  /// Opens the store, runs `body`, and closes it. Throws if data cannot be flushed at the end.
  private func opened<R>(_ options: StoreOptions, _ body: (Store) throws -> R) throws -> R {
    let words =
      "handlestore: LMDB crashed while it read the store in \(Text.path(store)): a page of the "
      + "store is damaged; run `handlestore check` and then `handlestore repair` on it"
    do {
      return try CrashGuard.during(message: words, status: ExitStatus.store.rawValue) {
        let opened = try Store(at: store, options: options)
        let result = try body(opened)
        try opened.close()
        return result
      }
    } catch let error as StoreError where error.mayBeOfDamage {
      // The missing entry may be on a damaged page, on which LMDB did not find it.
      try requireSound()
      throw error
    }
  }

  /// Throws unless the store exists and is intact.
  private func requireSound() throws(StoreError) {
    let report = try Store.check(at: store, findings: 1)
    guard let first = report.findings.first else { return }
    let more = report.findingCount - 1
    throw .damaged(
      first.description + (more > 0 ? " (and \(Text.grouped(more)) more)" : ""))
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
