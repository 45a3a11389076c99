internal import Glibc

/// The changes that SETATTR asks for.
struct AttributeChange {
  var flags: CInt
  var status: stat
  /// Whether the set-user-id and set-group-id bits must be cleared because the caller lacks
  /// CAP_FSETID.
  var clearsPrivileges: Bool

  func has(_ flag: CInt) -> Bool { flags & flag != 0 }
}
