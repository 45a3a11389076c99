public import ArgumentParser
public import HandleStore
public import SystemPackage

extension FilePath: @retroactive ExpressibleByArgument {
  /// The path as it was typed.
  public init?(argument: String) {
    guard !argument.isEmpty else { return nil }
    self.init(argument)
  }
}

extension NodeID: ExpressibleByArgument {
  /// A node's number.
  public init?(argument: String) {
    guard let number = UInt64(argument) else { return nil }
    self.init(rawValue: number)
  }
}

extension FilesystemID: ExpressibleByArgument {
  /// A filesystem's number.
  public init?(argument: String) {
    guard let number = UInt16(argument) else { return nil }
    self.init(rawValue: number)
  }
}

extension Durability: ExpressibleByArgument {}
