internal import SystemPackage

/// Files that share one range of inode numbers: those of a filesystem, or on btrfs of a subvolume.
struct Namespace: Hashable {
  let filesystem: FilesystemID
  /// The subvolume; 0 on a filesystem that has none.
  let subvolume: UInt64

  init(_ filesystem: FilesystemID, subvolume: UInt64) {
    self.filesystem = filesystem
    self.subvolume = subvolume
  }

  /// The namespace of a node's file; `nil` on overlayfs, where files of several layers may have the
  /// same number.
  init?(of node: Node, on magic: FilesystemMagic) {
    guard magic != .overlay else { return nil }
    self.init(node.filesystem, subvolume: node.handle.fileKey(on: magic)?.subvolume ?? 0)
  }
}

/// The file `namespaces` in a store's directory (Docs/Format.md). It gives each namespace that was
/// shown a number of its own.
struct NamespaceTable {
  private static let file = SealedFile(
    name: "namespaces", title: "handlestore namespaces 1",
    ifDamaged: "restore it from a backup, or remove it: files then get other inode numbers",
    ifForeign: "its numbers are of that store's filesystems; remove it: files then get other inode "
      + "numbers")
  /// Numbers are 1…32,767: 15 bits.
  static let maximum: UInt64 = 0x7fff

  private let store: UInt64
  private(set) var numbers: [Namespace: UInt64] = [:]

  /// Reads the table of a store; an empty one if the store has none.
  ///
  /// - Parameter store: the store's number.
  init(in files: any SmallFiles, of store: UInt64) throws(StoreError) {
    self.store = store
    numbers = try Self.file.read(in: files, of: store, Self.numbers) ?? [:]
  }

  /// Returns the number of a namespace, and gives it one if it has none.
  ///
  /// - Returns: the number, and whether it is new; `nil` if all numbers are given.
  mutating func number(of namespace: Namespace) -> (number: UInt64, isNew: Bool)? {
    if let number = numbers[namespace] { return (number, false) }
    let number = UInt64(numbers.count) + 1
    guard number <= Self.maximum else { return nil }
    numbers[namespace] = number
    return (number, true)
  }

  func write(in files: any SmallFiles) throws(StoreError) {
    let lines = numbers.sorted(by: { $0.value < $1.value }).map { namespace, number in
      "namespace \(number) \(namespace.filesystem) \(namespace.subvolume)"
    }
    try Self.file.write(lines, of: store, in: files)
  }

  /// Parses the table. Its numbers have no gap: each is one more than the last.
  private static func numbers(_ lines: [Substring]) -> [Namespace: UInt64]? {
    var numbers: [Namespace: UInt64] = [:]
    for line in lines {
      let words = SealedFile.words(line)
      guard words.count == 4, words[0] == "namespace", let number = UInt64(words[1]),
        number == UInt64(numbers.count) + 1, let filesystem = UInt16(words[2]),
        let subvolume = UInt64(words[3])
      else { return nil }
      let namespace = Namespace(FilesystemID(rawValue: filesystem), subvolume: subvolume)
      guard numbers.updateValue(number, forKey: namespace) == nil else { return nil }
    }
    return numbers
  }
}
