internal import SystemPackage

/// What a store knows of a filesystem, as lines of text: what engines store (Docs/Format.md).
extension KnownFilesystem {
  /// The lines, without a newline at the end.
  package var text: String {
    let root = identity.root.map { "\($0.type.rawValue) \($0.hexadecimal)" } ?? ""
    let lines = """
      magic \(String(identity.magic.rawValue, radix: 16))
      uuid \(identity.hexadecimal)
      root \(root)
      birth \(identity.birth)
      seed \(identity.seed)
      growth \(growth)
      newest \(newest)
      era \(era)
      superseded \(isSuperseded ? 1 : 0)
      volume \(Self.line(identity.volume))
      """
    return lines + (name.map { "\nname \($0)" } ?? "")
      + others.map { "\nalso \($0.hexadecimal) \(Self.line($0.volume))" }.joined()
  }

  private static func line(_ text: String) -> String {
    String(text.map { $0.isNewline ? " " : $0 })
  }

  /// Reads the lines; `nil` if one of them is missing or damaged.
  package init?(text: String) {
    var fields: [Substring: Substring] = [:]
    var also: [Substring] = []
    for line in text.lines {
      let (name, value) = line.splitAtBlank()
      if name == "also" { also.append(value) } else { fields[name] = value }
    }
    guard
      let magic = fields["magic"].flatMap({ UInt32($0, radix: 16) }),
      let uuid = fields["uuid"].flatMap({ Hexadecimal.bytes($0) }), let root = fields["root"],
      let volume = fields["volume"], let birth = fields["birth"], let seed = fields["seed"],
      let growth = fields["growth"].flatMap({ UInt64($0) }),
      let newest = fields["newest"].flatMap({ UInt32($0) }), let era = fields["era"],
      let superseded = fields["superseded"]
    else { return nil }
    let identity = FilesystemIdentity(
      magic: FilesystemMagic(rawValue: magic), uuid: uuid, root: Self.handle(root),
      volume: String(volume), birth: String(birth), seed: String(seed))
    self.init(identity: identity, others: also.compactMap { Self.other($0, of: identity) })
    name = fields["name"].map { String($0) }
    self.growth = growth
    self.newest = newest
    self.era = String(era)
    isSuperseded = superseded == "1"
  }

  /// Returns an identity that differs from another one in what a line has: UUID and volume.
  private static func other(
    _ line: Substring, of identity: FilesystemIdentity
  ) -> FilesystemIdentity? {
    let (name, volume) = line.splitAtBlank()
    guard let uuid = Hexadecimal.bytes(name) else { return nil }
    var other = identity
    (other.uuid, other.volume) = (uuid, String(volume))
    return other
  }

  private static func handle(_ text: Substring) -> KernelFileHandle? {
    let parts = text.split(separator: " ")
    guard parts.count == 2, let type = Int32(parts[0]), let bytes = Hexadecimal.bytes(parts[1])
    else { return nil }
    return KernelFileHandle(type: HandleType(rawValue: type), bytes: bytes)
  }
}
