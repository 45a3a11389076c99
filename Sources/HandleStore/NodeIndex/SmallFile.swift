internal import HandleLocks
package import SystemPackage

/// Where a store keeps its small files, each with a name: in its directory, in memory, or in the
/// database of a shared store. Any thread may use it.
package protocol SmallFiles: AnyObject, Sendable {
  /// The path of the directory, for messages; empty in memory.
  var path: FilePath { get }
  /// Returns the path of a file, for messages.
  func path(of name: FilePath.Component) -> FilePath

  /// Returns the text of a file, or `nil` if there is no such file.
  func text(of name: FilePath.Component) throws(StoreError) -> SmallText?

  /// Replaces the text of a file, or makes the file. After a power cut it has the old text or the
  /// new one.
  func put(_ text: String, in name: FilePath.Component) throws(StoreError)

  /// Runs a body that reads and replaces files, one thread of one process at a time.
  func exclusively<R: Sendable>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R
}

/// The text of a small file.
package struct SmallText: Sendable {
  let text: String
  /// Whether nobody but its owner can read the file.
  let isPrivate: Bool

  package init(text: String, isPrivate: Bool) { (self.text, self.isPrivate) = (text, isPrivate) }
}

extension OpenDirectory: SmallFiles {
  func text(of name: FilePath.Component) throws(StoreError) -> SmallText? {
    do throws(Errno) {
      let (text, status) = try SmallFile.read(name, in: self)
      return SmallText(text: text, isPrivate: status.file.mode & 0o077 == 0)
    } catch .noSuchFileOrDirectory {
      return nil
    } catch {
      throw StoreError(error, "reading \(path(of: name))")
    }
  }

  func put(_ text: String, in name: FilePath.Component) throws(StoreError) {
    try SmallFile.write(name, in: self) { _ in text }
  }

  /// Locks the file `writer`. A server that has the store open does not lock that file.
  func exclusively<R: Sendable>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    let lock: OwnedDescriptor
    do throws(Errno) {
      lock = try lockWriter()
    } catch {
      throw StoreError(error, "locking \(path(of: "writer"))")
    }
    defer { withExtendedLifetime(lock) {} }
    return try body()
  }

  /// Locks the file `writer`, and checks that the name still leads to the file that was locked;
  /// otherwise the lock is worth nothing.
  private func lockWriter() throws(Errno) -> OwnedDescriptor {
    while true {
      let file = try open("writer", flags: SystemCalls.create, mode: 0o600)
      try SystemCalls.waitForLock(file.descriptor)
      let named = try? open("writer", flags: SystemCalls.path)
      if let named,
        try FullStatus(of: named.descriptor).file.isOfSameFile(
          as: FullStatus(of: file.descriptor).file)
      {
        return file
      }
    }
  }
}

/// Small files in memory.
final class MemoryFiles: SmallFiles {
  private let texts = Locked<[String: String]>([:])
  private let lock = Locked(())

  var path: FilePath { "" }
  func path(of name: FilePath.Component) -> FilePath { FilePath(root: nil, [name]) }

  func text(of name: FilePath.Component) throws(StoreError) -> SmallText? {
    texts.withLock { $0[name.string] }.map { SmallText(text: $0, isPrivate: true) }
  }

  func put(_ text: String, in name: FilePath.Component) throws(StoreError) {
    texts.withLock { $0[name.string] = text }
  }

  func exclusively<R: Sendable>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    try lock.withLock { _ throws(StoreError) in try body() }
  }
}

/// Files of a few hundred bytes in a store's directory.
enum SmallFile {
  /// Returns a small file's text, and the status of the file from which it was read.
  static func read(
    _ name: FilePath.Component, in directory: OpenDirectory
  ) throws(Errno) -> (text: String, status: FullStatus) {
    let file = try directory.open(name, flags: SystemCalls.readOnly)
    let status = try FullStatus(of: file.descriptor)
    return (String(decoding: try SystemCalls.readAll(file.descriptor), as: UTF8.self), status)
  }

  /// Returns the lines, followed by a line with their checksum.
  static func sealed(_ body: String) -> String {
    body + "checksum \(String(Checksum.of(Array(body.utf8), seed: 0), radix: 16))\n"
  }

  /// Returns the lines before the checksum line, or `nil` if the checksum is wrong.
  static func unsealed(_ text: String) -> String? {
    guard text.hasSuffix("\n"),
      let end = text.dropLast().lastIndex(of: "\n").map({ text.index(after: $0) }),
      case let body = String(text[..<end]), sealed(body) == text
    else { return nil }
    return body
  }

  /// Returns the line that names the store to which a file belongs.
  static func line(store: UInt64) -> String { "store \(String(store, radix: 16))" }

  /// Returns the number in such a line.
  static func store(line: Substring) -> UInt64? {
    let words = line.split(separator: " ")
    guard words.count == 2, words[0] == "store" else { return nil }
    return UInt64(words[1], radix: 16)
  }

  /// Replaces the contents of a file. After a power cut the file has either the old contents or the
  /// new ones.
  ///
  /// - Parameter text: returns what to write, given the new file's status, so that it can name the
  ///   inode.
  static func write(
    _ name: FilePath.Component, in directory: OpenDirectory, _ text: (FullStatus) -> String
  ) throws(StoreError) {
    do throws(Errno) {
      try replace(name, in: directory, text)
    } catch {
      throw error.isDiskFull
        ? .diskFull(path: directory.path)
        : StoreError(error, "writing \(directory.path(of: name))")
    }
  }

  private static func replace(
    _ name: FilePath.Component, in directory: OpenDirectory, _ text: (FullStatus) -> String
  ) throws(Errno) {
    let new = FilePath.Component(name.string + ".new") ?? name
    // A file left by a killed process may have another mode, and one made by somebody else may be a
    // link.
    try? directory.unlink(new)
    let file = try directory.open(
      new, flags: SystemCalls.readWrite | SystemCalls.createExclusively, mode: 0o600)
    let status = try FullStatus(of: file.descriptor)
    try SystemCalls.writeAll(file.descriptor, Array(text(status).utf8))
    try SystemCalls.sync(file.descriptor)
    try directory.rename(new, to: name)
    try directory.sync()
  }

  /// Returns the id of the kernel's current boot.
  static func bootID() throws(StoreError) -> String {
    let path: FilePath = "/proc/sys/kernel/random/boot_id"
    do throws(Errno) {
      let file = OwnedDescriptor(try SystemCalls.open(path, flags: SystemCalls.readOnly))
      let text = String(decoding: try SystemCalls.readAll(file.descriptor), as: UTF8.self)
      return String(text.prefix { !$0.isNewline })
    } catch {
      throw StoreError(error, "reading \(path)")
    }
  }
}

// Lines are split at bytes: looking for characters, which may have several bytes, takes far longer.
extension String {
  /// The lines that are not empty.
  var lines: [Substring] {
    utf8.split(separator: UInt8(ascii: "\n")).map { Substring($0) }
  }
}

extension Substring {
  /// Returns what is before the first blank, and what is after it: nothing if there is none.
  func splitAtBlank() -> (name: Substring, value: Substring) {
    guard let blank = utf8.firstIndex(of: UInt8(ascii: " ")) else { return (self, "") }
    return (self[..<blank], self[utf8.index(after: blank)...])
  }
}
