internal import SystemPackage

/// What a store knows of a filesystem, as lines of text: what engines store (Docs/Format.md).
extension KnownFilesystem {
  /// The lines, without a newline at the end.
  package var text: String {
    let root = identity.root.map { "\($0.type.rawValue) \($0.hexadecimal)" } ?? ""
    return """
      magic \(String(identity.magic.rawValue, radix: 16))
      uuid \(identity.hexadecimal)
      root \(root)
      birth \(identity.birth)
      seed \(identity.seed)
      growth \(growth)
      newest \(newest)
      era \(era)
      superseded \(isSuperseded ? 1 : 0)
      volume \(String(identity.volume.map { $0.isNewline ? " " : $0 }))
      """
  }

  /// Reads the lines; `nil` if one of them is missing or damaged.
  package init?(text: String) {
    var fields: [Substring: Substring] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
      fields[parts[0]] = parts.count > 1 ? parts[1] : ""
    }
    guard
      let magic = fields["magic"].flatMap({ UInt32($0, radix: 16) }),
      let uuid = fields["uuid"].flatMap({ Hexadecimal.bytes($0) }), let root = fields["root"],
      let volume = fields["volume"], let birth = fields["birth"], let seed = fields["seed"],
      let growth = fields["growth"].flatMap({ UInt64($0) }),
      let newest = fields["newest"].flatMap({ UInt32($0) }), let era = fields["era"],
      let superseded = fields["superseded"]
    else { return nil }
    identity = FilesystemIdentity(
      magic: FilesystemMagic(rawValue: magic), uuid: uuid, root: Self.handle(root),
      volume: String(volume), birth: String(birth), seed: String(seed))
    self.growth = growth
    self.newest = newest
    self.era = String(era)
    isSuperseded = superseded == "1"
  }

  private static func handle(_ text: Substring) -> KernelFileHandle? {
    let parts = text.split(separator: " ")
    guard parts.count == 2, let type = Int32(parts[0]), let bytes = Hexadecimal.bytes(parts[1])
    else { return nil }
    return KernelFileHandle(type: HandleType(rawValue: type), bytes: bytes)
  }
}
