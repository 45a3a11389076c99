internal import HandleStore
internal import SystemPackage

/// The mounts that this process sees (`proc_pid_mountinfo(5)`).
enum MountTable {
  struct Mount {
    /// `major:minor`.
    let device: String
    let point: String
    let type: String

    fileprivate init?(line: Substring) {
      let fields = line.split(separator: " ")
      guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 1 else {
        return nil
      }
      device = String(fields[2])
      point = MountTable.unescaped(fields[4])
      type = String(fields[dash + 1])
    }
  }

  /// Returns all mounts. Of several mounts on one directory, the last is on top.
  static func mounts() throws(Errno) -> [Mount] {
    let table = try FileDescriptor.contents(of: "/proc/self/mountinfo")
    return String(decoding: table, as: UTF8.self).split(separator: "\n").compactMap(Mount.init)
  }

  /// Returns the handlefs that is mounted on a directory, or `nil` if there is none. It reads the
  /// table and does not touch the directory, because the file system may be waiting for its server.
  static func handleFS(on point: String) throws(Errno) -> Mount? {
    try mounts().last { $0.type == "fuse.handlefs" && $0.point == point }
  }

  /// Replaces the octal escapes of blanks, backslashes and newlines by the characters.
  private static func unescaped(_ field: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(field.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = String(decoding: rest.prefix(3), as: UTF8.self)
      if byte == 0x5c, let value = UInt8(digits, radix: 8) {
        bytes.append(value)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
