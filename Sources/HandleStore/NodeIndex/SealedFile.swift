internal import SystemPackage

/// A small text file that belongs to one store (Docs/Format.md). It consists of a title, a line that
/// names the store, the file's own lines, and a checksum of all of these.
struct SealedFile: Sendable {
  var name: FilePath.Component
  /// The first line; it ends in the version of the format.
  let title: String
  /// Whether only the file's owner may be able to read it.
  var isSecret = false
  /// What the error tells the user to do if the file is damaged.
  let ifDamaged: String
  /// What the error tells the user to do if the file belongs to another store.
  let ifForeign: String

  /// Returns what the file of a store contains, or `nil` if there is no such file.
  ///
  /// - Parameters:
  ///   - store: the store's number.
  ///   - parse: makes the contents from the file's own lines; returns `nil` if they are damaged.
  /// - Throws: ``StoreError/foreignFile(path:remedy:)``, and what ``read(in:_:)`` throws.
  func read<T>(
    in files: any SmallFiles, of store: UInt64, _ parse: ([Substring]) -> T?
  ) throws(StoreError) -> T? {
    guard let (owner, contents) = try read(in: files, parse) else { return nil }
    guard owner == store else {
      throw .foreignFile(path: files.path(of: name), remedy: ifForeign)
    }
    return contents
  }

  /// Returns the number of the store that the file belongs to, and what the file contains; `nil` if
  /// there is no such file.
  ///
  /// - Throws: ``StoreError/damagedFile(path:_:)``, ``StoreError/exposedKeys(path:)`` if the file is
  ///   secret and others can read it, ``StoreError/system(_:_:)``.
  func read<T>(
    in files: any SmallFiles, _ parse: ([Substring]) -> T?
  ) throws(StoreError) -> (store: UInt64, contents: T)? {
    let path = files.path(of: name)
    let found: SmallText?
    do throws(StoreError) {
      found = try files.text(of: name)
    } catch .system(.tooManySymbolicLinkLevels, _) where isSecret {
      // A symbolic link may lead to somebody else's file.
      throw .exposedKeys(path: path)
    }
    guard let file = found else { return nil }
    guard file.isPrivate || !isSecret else { throw .exposedKeys(path: path) }
    guard let (store, lines) = lines(of: file.text), let contents = parse(lines) else {
      throw .damagedFile(path: path, ifDamaged)
    }
    return (store, contents)
  }

  /// Replaces the file, or makes it.
  ///
  /// - Throws: ``StoreError/diskFull(path:)``, ``StoreError/system(_:_:)``.
  func write(_ lines: [String], of store: UInt64, in files: any SmallFiles) throws(StoreError) {
    let body = ([title, SmallFile.line(store: store)] + lines).map { $0 + "\n" }.joined()
    try files.put(SmallFile.sealed(body), in: name)
  }

  /// Returns the store's number and the file's own lines; `nil` if the checksum, the title or the
  /// line that names the store is wrong.
  private func lines(of text: String) -> (store: UInt64, lines: [Substring])? {
    guard let body = SmallFile.unsealed(text) else { return nil }
    let lines = body.lines
    guard lines.count > 1, lines[0].utf8.elementsEqual(title.utf8),
      let store = SmallFile.store(line: lines[1])
    else { return nil }
    return (store, Array(lines.dropFirst(2)))
  }

  /// Splits a line into at most `count` words; the last word runs to the end of the line. Splits the
  /// bytes and not the characters, because a blank and a combining character after it are one
  /// `Character`.
  static func words(_ line: Substring, atMost count: Int = .max) -> [Substring] {
    line.utf8.split(separator: UInt8(ascii: " "), maxSplits: count - 1).map { Substring($0) }
  }
}
