internal import CHandleFS
internal import Glibc
internal import SystemPackage

/// What this thread may, and for whom it acts.
enum Credentials {
  /// Gives up CAP_FSETID, so that what this thread writes to loses its set-user-id and set-group-id
  /// bits.
  static func dropSetID() throws(Errno) { try checked(hf_set_fsetid(0)) }

  static func regainSetID() { _ = hf_set_fsetid(1) }

  /// Does something as a user: new files belong to it and get their permissions under its mask, and room
  /// that is reserved for others is not for it.
  static func acting<R, E: Error>(
    for uid: uid_t, _ gid: gid_t, mask: mode_t = 0, _ body: () throws(E) -> R
  ) throws(E) -> R {
    hf_act_for(uid, gid, mask)
    defer { hf_act_for(0, 0, mask) }
    return try body()
  }
}
