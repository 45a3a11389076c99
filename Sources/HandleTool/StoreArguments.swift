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

  /// Opens the store for writing, which must be there, and closes it after `body`.
  func changing<R>(_ body: (Store) throws -> R) throws -> R {
    // Opened for writing, one would be made where there is none.
    try reading { _ in }
    return try opened(StoreOptions(), body)
  }

  /// Opens the store, and closes it after `body`: what cannot be flushed then is an error too.
  func opened<R>(_ options: StoreOptions, _ body: (Store) throws -> R) throws -> R {
    let opened = try Store(at: store, options: options)
    let result = try body(opened)
    try opened.close()
    return result
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
