internal import SystemPackage

/// The number of an export, which each of its tokens carries. It never changes; it is random unless
/// the caller chose it.
public struct ExportID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The number. No export has 0.
  public let rawValue: UInt32

  /// Creates the id with a number.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Reads an id from eight hexadecimal digits.
  init?(digits: Substring) {
    guard let bytes = Hexadecimal.bytes(digits), bytes.count == 4 else { return nil }
    rawValue = UInt32(bytes.uint32(at: 0)).byteSwapped
  }

  /// Eight hexadecimal digits.
  public var description: String {
    let digits = String(rawValue, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}

/// What the store knows of an export.
public struct ExportRecord: Hashable, Sendable {
  /// A subtree of an export. If an export has several, the first is the upper one.
  public struct Layer: Hashable, Sendable {
    /// The filesystem that the subtree is on.
    public let filesystem: FilesystemID
    /// The handle of the subtree's root directory.
    public let root: KernelFileHandle
  }

  /// The export's name, of 1 to 255 bytes.
  public let name: String
  /// The export's number.
  public let id: ExportID
  /// Whether the export refuses to open for writing and to create.
  public let isReadOnly: Bool
  /// How to check that files are inside; `nil` for the cheapest exact way that is available.
  public let containment: Containment?
  /// The export's subtrees, at least one.
  public let layers: [Layer]
}

/// The file `exports` in a store's directory (Docs/Format.md).
struct ExportCatalog {
  private static let file = SealedFile(
    name: "exports", title: "handlestore exports 1",
    ifDamaged:
      "restore it from a backup, or remove it and add the exports again with their numbers",
    ifForeign:
      "its exports name filesystems by that store's numbers; remove it and add the exports "
      + "again (`handlestore export add --id`)")

  private let store: UInt64
  var exports: [ExportRecord]

  /// Reads the catalog of a store. It is empty if the store has none.
  ///
  /// - Parameter store: the store's number.
  init(in files: any SmallFiles, of store: UInt64) throws(StoreError) {
    self.store = store
    exports = try Self.file.read(in: files, of: store, Self.exports) ?? []
  }

  /// Whether no export has the name or the number of another one.
  func hasRoom(for record: ExportRecord) -> Bool {
    !exports.contains { $0.isNamed(record.name) || $0.id == record.id }
  }

  func write(in files: any SmallFiles) throws(StoreError) {
    try Self.file.write(exports.flatMap(Self.lines), of: store, in: files)
  }

  private static func lines(_ export: ExportRecord) -> [String] {
    let containment = export.containment?.rawValue ?? "automatic"
    return ["export \(export.id) \(export.isReadOnly ? "ro" : "rw") \(containment) \(export.name)"]
      + export.layers.map {
        "layer \($0.filesystem) \($0.root.type.rawValue) \($0.root.hexadecimal)"
      }
  }

  private static func exports(_ lines: [Substring]) -> [ExportRecord]? {
    var exports: [ExportRecord] = []
    for line in lines {
      if let export = export(line) {
        exports.append(export)
      } else if let layer = layer(line), let last = exports.popLast() {
        exports.append(last.with(layers: last.layers + [layer]))
      } else {
        return nil
      }
    }
    return exports.contains { $0.layers.isEmpty } ? nil : exports
  }

  private static func export(_ line: Substring) -> ExportRecord? {
    let words = SealedFile.words(line, atMost: 5)
    guard words.count == 5, words[0] == "export", let id = ExportID(digits: words[1]),
      ["ro", "rw"].contains(words[2]),
      case let containment = Containment(rawValue: String(words[3])),
      containment != nil || words[3] == "automatic"
    else { return nil }
    return ExportRecord(
      name: String(words[4]), id: id, isReadOnly: words[2] == "ro", containment: containment,
      layers: [])
  }

  private static func layer(_ line: Substring) -> ExportRecord.Layer? {
    let words = SealedFile.words(line, atMost: 4)
    guard words.count == 4, words[0] == "layer", let filesystem = UInt16(words[1]),
      let type = Int32(words[2]), let bytes = Hexadecimal.bytes(words[3]),
      let root = KernelFileHandle(type: HandleType(rawValue: type), bytes: bytes)
    else { return nil }
    return ExportRecord.Layer(filesystem: FilesystemID(rawValue: filesystem), root: root)
  }
}

extension ExportRecord {
  fileprivate func with(layers: [Layer]) -> ExportRecord {
    ExportRecord(
      name: name, id: id, isReadOnly: isReadOnly, containment: containment, layers: layers)
  }

  /// Returns whether an export can have a name.
  static func isValid(name: String) -> Bool {
    (1...255).contains(name.utf8.count) && name.utf8.first != UInt8(ascii: " ")
      && !name.utf8.contains { [0, 10, 13].contains($0) }
  }

  /// Returns whether the export has a name, byte for byte.
  func isNamed(_ name: String) -> Bool { self.name.utf8.elementsEqual(name.utf8) }
}
