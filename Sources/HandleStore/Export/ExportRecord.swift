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
    rawValue = bytes.reduce(0) { $0 << 8 | UInt32($1) }
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
  private static let fileName: FilePath.Component = "exports"
  private static let title = "handlestore exports 1"

  private let store: UInt64
  var exports: [ExportRecord] = []

  /// Reads the catalog of a store. It is empty if the store has none.
  ///
  /// - Parameter store: the store's number.
  init(in files: any SmallFiles, of store: UInt64) throws(StoreError) {
    self.store = store
    let path = files.path(of: Self.fileName)
    let text: String
    do throws(Errno) {
      text = try files.text(of: Self.fileName).text
    } catch .noSuchFileOrDirectory {
      return
    } catch {
      throw StoreError(error, "reading \(path)")
    }
    guard let (owner, exports) = Self.parse(text) else {
      throw .damagedFile(
        path: path,
        "restore it from a backup, or remove it and add the exports again with their numbers")
    }
    guard owner == store else {
      throw .foreignFile(
        path: path,
        remedy:
          "its exports name filesystems by that store's numbers; remove it and add the exports "
          + "again (`handlestore export add --id`)")
    }
    self.exports = exports
  }

  func write(in files: any SmallFiles) throws(StoreError) {
    try files.put(text, in: Self.fileName)
  }

  private var text: String {
    var body = "\(Self.title)\n\(SmallFile.line(store: store))\n"
    for export in exports {
      body += "export \(export.id) \(export.isReadOnly ? "ro" : "rw") "
      body += "\(export.containment?.rawValue ?? "automatic") \(export.name)\n"
      for layer in export.layers {
        body += "layer \(layer.filesystem) \(layer.root.type.rawValue) \(layer.root.hexadecimal)\n"
      }
    }
    return SmallFile.sealed(body)
  }

  /// Parses bytes and not characters: if a combining character follows a blank, both are one
  /// `Character`.
  private static func parse(_ text: String) -> (store: UInt64, exports: [ExportRecord])? {
    guard let body = SmallFile.unsealed(text) else { return nil }
    let lines = body.utf8.split(separator: UInt8(ascii: "\n"))
    guard lines.first?.elementsEqual(title.utf8) ?? false, lines.count > 1,
      let store = SmallFile.store(line: Substring(lines[1]))
    else { return nil }
    var exports: [ExportRecord] = []
    for line in lines.dropFirst(2) {
      if let export = export(line) {
        exports.append(export)
      } else if let layer = layer(line), let last = exports.popLast() {
        exports.append(last.with(layers: last.layers + [layer]))
      } else {
        return nil
      }
    }
    return exports.contains { $0.layers.isEmpty } ? nil : (store, exports)
  }

  /// Splits a line into `count` words, of which the last runs to the end of the line. Returns `nil`
  /// if there are fewer.
  private static func words(_ line: Substring.UTF8View, _ count: Int) -> [String]? {
    let words = line.split(separator: UInt8(ascii: " "), maxSplits: count - 1)
    return words.count == count ? words.map { String(Substring($0)) } : nil
  }

  private static func export(_ line: Substring.UTF8View) -> ExportRecord? {
    guard let words = words(line, 5), words[0] == "export",
      let id = ExportID(digits: words[1][...]),
      ["ro", "rw"].contains(words[2]),
      case let containment = Containment(rawValue: words[3]),
      containment != nil || words[3] == "automatic"
    else { return nil }
    return ExportRecord(
      name: words[4], id: id, isReadOnly: words[2] == "ro", containment: containment, layers: [])
  }

  private static func layer(_ line: Substring.UTF8View) -> ExportRecord.Layer? {
    guard let words = words(line, 4), words[0] == "layer", let filesystem = UInt16(words[1]),
      let type = Int32(words[2]), let bytes = Hexadecimal.bytes(words[3][...]),
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
