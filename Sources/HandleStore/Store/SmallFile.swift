internal import SystemPackage

/// Files of a few hundred bytes in a store's directory.
enum SmallFile {
  /// A small file's text, and the status of the file that it was read from.
  static func read(
    _ name: FilePath.Component, in directory: OpenDirectory
  ) throws(Errno) -> (text: String, status: FullStatus) {
    let file = try directory.open(name, flags: SystemCalls.readOnly)
    let status = try FullStatus(of: file.descriptor)
    return (String(decoding: try SystemCalls.readAll(file.descriptor), as: UTF8.self), status)
  }

  /// The lines with one of their checksum behind them.
  static func sealed(_ body: String) -> String {
    body + "checksum \(String(Checksum.of(Array(body.utf8), seed: 0), radix: 16))\n"
  }

  /// The lines before that of their checksum, or `nil` if it is wrong.
  static func unsealed(_ text: String) -> String? {
    guard text.hasSuffix("\n"),
      let end = text.dropLast().lastIndex(of: "\n").map({ text.index(after: $0) }),
      case let body = String(text[..<end]), sealed(body) == text
    else { return nil }
    return body
  }

  /// The line that names the store that a file is of.
  static func line(store: UInt64) -> String { "store \(String(store, radix: 16))" }

  /// The number in such a line.
  static func store(line: Substring) -> UInt64? {
    let words = line.split(separator: " ")
    guard words.count == 2, words[0] == "store" else { return nil }
    return UInt64(words[1], radix: 16)
  }

  /// Puts new contents in place of the old ones so that a power cut leaves the one or the other.
  ///
  /// - Parameter text: what to write, which may name the new file's inode.
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
    // What a process that was killed left may have another mode, and somebody else's may be a link.
    try? directory.unlink(new)
    let file = try directory.open(
      new, flags: SystemCalls.readWrite | SystemCalls.createExclusively, mode: 0o600)
    let status = try FullStatus(of: file.descriptor)
    try SystemCalls.writeAll(file.descriptor, Array(text(status).utf8))
    try SystemCalls.sync(file.descriptor)
    try directory.rename(new, to: name)
    try directory.sync()
  }

  /// The id of this boot of the kernel.
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
