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

/// The option `--json` of each command that prints figures.
struct JSONOption: ParsableArguments {
  @Flag(help: "Print for programs: JSON, with numbers in full.")
  var json = false
}
