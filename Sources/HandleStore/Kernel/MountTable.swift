internal import SystemPackage

/// A line of `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).
struct Mount {
  var id: Int
  /// The device number of the superblock, as `major:minor`. Unlike `st_dev` it is one for all
  /// subvolumes of a btrfs.
  var device: String
  /// What part of the filesystem is mounted: `/` for all of it.
  var root: String
  var point: FilePath
  var isReadOnly: Bool
  var type: String
  var source: String

  fileprivate init?(line: Substring) {
    let fields = line.split(separator: " ", omittingEmptySubsequences: false)
    guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 2,
      let id = Int(fields[0])
    else { return nil }
    self.id = id
    device = String(fields[2])
    root = Self.unescaped(fields[3])
    point = FilePath(Self.unescaped(fields[4]))
    isReadOnly = fields[5].split(separator: ",").contains("ro")
    type = String(fields[dash + 1])
    source = Self.unescaped(fields[dash + 2])
  }

  /// Undoes the octal escapes of blanks, backslashes and newlines.
  private static func unescaped(_ field: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(field.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == 0x5c, rest.count >= 3,
        let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
      {
        bytes.append(value)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The mounts that this process sees.
struct MountTable {
  let mounts: [Mount]

  init() throws(Errno) {
    let file = OwnedDescriptor(
      try SystemCalls.open("/proc/self/mountinfo", flags: SystemCalls.readOnly))
    let text = String(decoding: try SystemCalls.readAll(file.descriptor), as: UTF8.self)
    mounts = text.split(separator: "\n").compactMap { Mount(line: $0) }
  }

  subscript(id: Int) -> Mount? { mounts.first { $0.id == id } }
}
