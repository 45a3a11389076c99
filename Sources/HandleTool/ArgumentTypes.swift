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

extension Containment: ExpressibleByArgument {}

extension ExportID: ExpressibleByArgument {
  /// An export's number in up to eight hexadecimal digits; not 0, which is none.
  public init?(argument: String) {
    guard argument.utf8.allSatisfy({ [UInt8].value(ofDigit: $0) != nil }),
      let number = UInt32(argument, radix: 16), number != 0
    else { return nil }
    self.init(rawValue: number)
  }
}

extension Token: ExpressibleByArgument {
  /// What a client sent, in hexadecimal; whether it is a token is for the gate to say.
  public init?(argument: String) {
    guard !argument.isEmpty, let bytes = [UInt8](hexadecimal: argument) else { return nil }
    self.init(bytes: bytes)
  }
}
