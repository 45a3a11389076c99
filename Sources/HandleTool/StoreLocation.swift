import ArgumentParser
import SystemPackage

/// Where a store is: what an argument `STORE` says.
enum StoreLocation: ExpressibleByArgument {
  case directory(FilePath)
  /// In a PostgreSQL database, which several hosts share.
  case shared(DatabaseConnection)

  init?(argument: String) {
    if argument.hasPrefix(DatabaseConnection.prefix) {
      self = .shared(DatabaseConnection(argument: argument))
    } else {
      guard let path = FilePath(argument: argument) else { return nil }
      self = .directory(path)
    }
  }
}

/// A connection string of libpq. What it leaves out comes from the environment and from service files.
struct DatabaseConnection: ExpressibleByArgument {
  static let prefix = "shared:"
  let text: String

  /// Takes the string as typed, or as in an argument `STORE`.
  init(argument: String) {
    text =
      argument.hasPrefix(Self.prefix) ? String(argument.dropFirst(Self.prefix.count)) : argument
  }
}
