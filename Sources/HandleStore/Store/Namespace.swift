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
    let key = magic == .btrfs ? node.handle.fileKey(on: magic) : nil
    self.init(node.filesystem, subvolume: key?.words[1] ?? 0)
  }
}

/// The file `namespaces` in a store's directory (Docs/Format.md). It gives each namespace that was
/// shown a number of its own.
struct NamespaceTable {
  private static let fileName: FilePath.Component = "namespaces"
  private static let title = "handlestore namespaces 1"
  /// Numbers are 1…32,767: 15 bits.
  static let maximum: UInt64 = 0x7fff

  private(set) var numbers: [Namespace: UInt64] = [:]

  /// Reads the table of a store; an empty one if the store has none.
  init(in files: any SmallFiles) throws(StoreError) {
    let path = files.path(of: Self.fileName)
    let text: String
    do throws(Errno) {
      text = try files.text(of: Self.fileName).text
    } catch .noSuchFileOrDirectory {
      return
    } catch {
      throw StoreError(error, "reading \(path)")
    }
    guard let numbers = Self.parse(text) else {
      throw .damagedFile(
        path: path, "restore it from a backup, or remove it: files then get other inode numbers")
    }
    self.numbers = numbers
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
    var body = Self.title + "\n"
    for (namespace, number) in numbers.sorted(by: { $0.value < $1.value }) {
      body += "namespace \(number) \(namespace.filesystem) \(namespace.subvolume)\n"
    }
    try files.put(SmallFile.sealed(body), in: Self.fileName)
  }

  /// Parses the table. Its numbers have no gap: each is one more than the last.
  private static func parse(_ text: String) -> [Namespace: UInt64]? {
    guard let lines = SmallFile.unsealed(text)?.split(separator: "\n"), lines.first == title[...]
    else { return nil }
    var numbers: [Namespace: UInt64] = [:]
    for line in lines.dropFirst() {
      let words = line.split(separator: " ")
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
