internal import Glibc

/// The flags of `mount(2)`, by the names that `mount(8)` has for them.
struct MountFlags {
  private(set) var value: UInt = 0

  init(readOnly: Bool, _ names: [String]) {
    for name in (readOnly ? ["ro"] : []) + names { take(name) }
  }

  /// Whether `mount(8)` has a flag of this name.
  static func has(_ name: String) -> Bool { set[name] != nil || cleared[name] != nil }

  private mutating func take(_ name: String) {
    value |= UInt(Self.set[name] ?? 0)
    value &= ~UInt(Self.cleared[name] ?? 0)
  }

  private static let set: [String: Int] = [
    "ro": MS_RDONLY, "nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC,
    "sync": MS_SYNCHRONOUS, "dirsync": MS_DIRSYNC,
    "noatime": MS_NOATIME, "nodiratime": MS_NODIRATIME, "relatime": MS_RELATIME,
    "strictatime": MS_STRICTATIME, "lazytime": MS_LAZYTIME, "iversion": MS_I_VERSION,
    "nosymfollow": MS_NOSYMFOLLOW, "silent": MS_SILENT,
    "user": MS_NOSUID | MS_NODEV | MS_NOEXEC, "users": MS_NOSUID | MS_NODEV | MS_NOEXEC,
    "owner": MS_NOSUID | MS_NODEV, "group": MS_NOSUID | MS_NODEV,
  ].mapValues { Int($0) }

  private static let cleared: [String: Int] = [
    "rw": MS_RDONLY, "suid": MS_NOSUID, "dev": MS_NODEV, "exec": MS_NOEXEC,
    "async": MS_SYNCHRONOUS,
    "atime": MS_NOATIME, "diratime": MS_NODIRATIME, "norelatime": MS_RELATIME,
    "nostrictatime": MS_STRICTATIME, "nolazytime": MS_LAZYTIME, "noiversion": MS_I_VERSION,
    "symfollow": MS_NOSYMFOLLOW, "loud": MS_SILENT,
  ].mapValues { Int($0) }
}
