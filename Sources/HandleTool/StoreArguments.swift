import ArgumentParser
import HandleStore
import SystemPackage

/// The argument `STORE` of each command that works on one.
struct StoreArgument: ParsableArguments {
  @Argument(help: "The store's directory.", completion: .directory)
  var store: FilePath

  /// Opens the store beside a process that may write, and closes it after `body`.
  func reading<R>(_ body: (Store) throws -> R) throws -> R {
    try opened(StoreOptions(readOnly: true), body)
  }

  /// As ``reading(_:)``, for what goes through all of the store: LMDB passes over what is missing on a
  /// damaged page, so the pages are looked at before.
  func readingAll<R>(_ body: (Store) throws -> R) throws -> R {
    try requireSound()
    return try reading(body)
  }

  /// Opens the store for writing, which must be there and sound, and closes it after `body`.
  func changing<R>(_ body: (Store) throws -> R) throws -> R {
    // Opened for writing, one would be made where there is none. And what is written to a damaged one
    // may be lost, and spoil more.
    try requireSound()
    return try opened(StoreOptions(), body)
  }

  /// As ``changing(_:)``, and makes the store where there is none.
  func making<R>(_ options: StoreOptions, _ body: (Store) throws -> R) throws -> R {
    do throws(StoreError) {
      try requireSound()
    } catch .noStore {
    }
    return try opened(options, body)
  }

  /// Opens the store, and closes it after `body`: what cannot be flushed then is an error too.
  private func opened<R>(_ options: StoreOptions, _ body: (Store) throws -> R) throws -> R {
    let words =
      "handlestore: reading the store in \(Text.path(store)) failed in LMDB: a page of it is "
      + "damaged; run `handlestore check` and then `handlestore repair` on it"
    do {
      return try CrashGuard.during(message: words, status: ExitStatus.store.rawValue) {
        let opened = try Store(at: store, options: options)
        let result = try body(opened)
        try opened.close()
        return result
      }
    } catch let error as StoreError where error.mayBeOfDamage {
      // What is not found may be on a page that LMDB did not find.
      try requireSound()
      throw error
    }
  }

  /// Throws unless the store is there and everything in it is intact.
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
  @Argument(help: "The export's name, as 'export list' has it.")
  var export: String

  /// Opens the export beside a process that may write, and closes the store after `body`.
  func reading<R>(_ body: (Store, Export) throws -> R) throws -> R {
    try argument.reading { try body($0, opened(in: $0)) }
  }

  /// Opens the export so that files can be registered, and closes the store after `body`.
  func changing<R>(_ body: (Store, Export) throws -> R) throws -> R {
    try argument.changing { try body($0, opened(in: $0)) }
  }

  private func opened(in store: Store) throws -> Export {
    _ = try store.attachMounted()
    return try store.openExport(export)
  }
}

/// The option `--json` of each command that prints figures.
struct JSONOption: ParsableArguments {
  @Flag(help: "Print for programs: JSON, with numbers in full.")
  var json = false
}
