internal import SystemPackage

/// Files of a few hundred bytes.
enum SmallFile {
  static func read(_ path: FilePath) throws(Errno) -> String {
    let file = OwnedDescriptor(try SystemCalls.open(path, flags: SystemCalls.readOnly))
    return String(decoding: try SystemCalls.readAll(file.descriptor), as: UTF8.self)
  }

  /// The text of a file that only its owner is to read, and the file's mode. A symbolic link is not
  /// followed: `ELOOP`.
  static func readPrivate(_ path: FilePath) throws(Errno) -> (text: String, mode: UInt32) {
    let file = OwnedDescriptor(
      try SystemCalls.open(path, flags: SystemCalls.readOnly | SystemCalls.ofName))
    let mode = try FileStatus(of: file.descriptor).mode
    return (String(decoding: try SystemCalls.readAll(file.descriptor), as: UTF8.self), mode)
  }

  /// The lines with one of their checksum behind them.
  static func sealed(_ body: String) -> String {
    body + "checksum \(String(Checksum.of(Array(body.utf8), seed: 0), radix: 16))\n"
  }

  /// The lines before that of their checksum, or `nil` where it is wrong.
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
  static func replace(_ path: FilePath, with text: String) throws(Errno) {
    let new = path.removingLastComponent().appending("\(path.lastComponent?.string ?? "").new")
    // What a process that was killed left may have another mode, and somebody else's may be a link.
    try? SystemCalls.unlink(new)
    let file = OwnedDescriptor(
      try SystemCalls.open(
        new, flags: SystemCalls.readWrite | SystemCalls.createExclusively, mode: 0o600))
    try SystemCalls.writeAll(file.descriptor, Array(text.utf8))
    try SystemCalls.sync(file.descriptor)
    try SystemCalls.rename(new, to: path)
    try syncDirectory(path.removingLastComponent())
  }

  /// ``replace(_:with:)`` of a file of the store in a directory.
  static func write(
    _ text: String, _ name: FilePath.Component, in directory: FilePath
  ) throws(StoreError) {
    let path = directory.appending(name)
    do throws(Errno) {
      try replace(path, with: text)
    } catch {
      throw error.isDiskFull
        ? .diskFull(path: directory) : StoreError(error, "writing \(path)")
    }
  }

  static func syncDirectory(_ path: FilePath) throws(Errno) {
    let path: FilePath = path.isEmpty ? "." : path
    let directory = OwnedDescriptor(try SystemCalls.open(path, flags: SystemCalls.directory))
    try SystemCalls.sync(directory.descriptor)
  }

  /// The id of this boot of the kernel.
  static func bootID() throws(StoreError) -> String {
    do throws(Errno) {
      return try String(read("/proc/sys/kernel/random/boot_id").prefix { !$0.isNewline })
    } catch {
      throw StoreError(error, "reading /proc/sys/kernel/random/boot_id")
    }
  }
}
