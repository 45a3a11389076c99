internal import CHandleFS
internal import SystemPackage

/// The ioctls that get and set the flags of a file, which `chattr(1)` and `xfs_io(8)` show and change
/// (`FS_IOC_GETFLAGS`, `FS_IOC_SETFLAGS`, `FS_IOC_FSGETXATTR`, `FS_IOC_FSSETXATTR`).
enum FileFlags {
  case get, set, getExtended, setExtended

  init?(command: UInt32) {
    switch command {
    case HF_GET_FLAGS: self = .get
    case HF_SET_FLAGS: self = .set
    case HF_GET_EXTENDED_FLAGS: self = .getExtended
    case HF_SET_EXTENDED_FLAGS: self = .setExtended
    default: return nil
    }
  }

  fileprivate var command: UInt32 {
    switch self {
    case .get: HF_GET_FLAGS
    case .set: HF_SET_FLAGS
    case .getExtended: HF_GET_EXTENDED_FLAGS
    case .setExtended: HF_SET_EXTENDED_FLAGS
    }
  }

  var changes: Bool { self == .set || self == .setExtended }

  /// How many bytes the flags take.
  var size: Int {
    Int(self == .get || self == .set ? HF_FLAGS_SIZE : HF_EXTENDED_FLAGS_SIZE)
  }
}

extension BackingFile {
  /// Returns the flags of this file, which is open for reading.
  func flags(_ kind: FileFlags) throws(Errno) -> [UInt8] {
    var flags = [UInt8](repeating: 0, count: kind.size)
    try checked(unsafe hf_flags(number, kind.command, &flags))
    return flags
  }

  func setFlags(_ kind: FileFlags, _ flags: RequestBytes) throws(Errno) {
    try checked(
      unsafe hf_flags(number, kind.command, UnsafeMutableRawPointer(mutating: flags.start)))
  }
}
