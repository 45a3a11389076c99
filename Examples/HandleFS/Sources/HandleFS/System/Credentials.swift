internal import CHandleFS
internal import Glibc
internal import SystemPackage

/// The capabilities of this thread, and the user that it acts for.
enum Credentials {
  /// Has what this thread does next keep the set-user-id and set-group-id bits of files, as for a
  /// caller with CAP_FSETID, or clear them, as for one without it.
  static func keepSetIDs(_ keep: Bool) throws(Errno) { try checked(hf_set_fsetid(keep ? 1 : 0)) }

  /// Returns the user and the group for whom a process uses files; `nobody` if the process is not
  /// visible.
  static func user(of process: CInt) -> (uid: uid_t, gid: gid_t) {
    var user: (uid: uid_t, gid: gid_t) = (nobody, nobody)
    return unsafe hf_user_of(process, &user.uid, &user.gid) == 0 ? user : (nobody, nobody)
  }

  private static let nobody: uid_t = 65534

  /// Calls `body` as a user: new files belong to the user and get their permissions under its mask,
  /// and disk space that is reserved for others is not available.
  ///
  /// - Parameter mask: `nil` if `body` makes no file that has permissions.
  static func acting<R, E: Error>(
    for uid: uid_t, _ gid: gid_t, mask: mode_t? = nil, _ body: () throws(E) -> R
  ) throws(E) -> R {
    if let mask { hf_set_mask(mask) }
    hf_act_for(uid, gid)
    defer { hf_act_for(0, 0) }
    return try body()
  }
}
