public import ArgumentParser
public import HandleStore
public import SystemPackage

extension FilePath: @retroactive ExpressibleByArgument {
  /// Takes the path as typed, which must not be empty.
  public init?(argument: String) {
    guard !argument.isEmpty else { return nil }
    self.init(argument)
  }
}

extension NodeID: ExpressibleByArgument {
  /// Parses a node's id, a decimal number.
  public init?(argument: String) {
    guard let number = UInt64(argument) else { return nil }
    self.init(rawValue: number)
  }
}

extension FilesystemID: ExpressibleByArgument {
  /// Parses a filesystem's id, a decimal number.
  public init?(argument: String) {
    guard let number = UInt16(argument) else { return nil }
    self.init(rawValue: number)
  }
}

extension Durability: ExpressibleByArgument {}

extension Containment: ExpressibleByArgument {}

extension ExportID: ExpressibleByArgument {
  /// Parses an export's id: one to eight hexadecimal digits, other than 0.
  public init?(argument: String) {
    guard argument.allSatisfy(\.isHexDigit),
      let number = UInt32(argument, radix: 16), number != 0
    else { return nil }
    self.init(rawValue: number)
  }
}

extension Token: ExpressibleByArgument {
  /// Parses the bytes that a client sent, in hexadecimal. The gate decides whether they are a
  /// token.
  public init?(argument: String) {
    guard !argument.isEmpty, let bytes = Hexadecimal.bytes(argument[...]) else { return nil }
    self.init(bytes: bytes)
  }
}
