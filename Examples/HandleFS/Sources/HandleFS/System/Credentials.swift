internal import CHandleFS
internal import SystemPackage

/// What this thread may, and for whom it acts.
enum Credentials {
  /// Gives up CAP_FSETID, so that what this thread writes to loses its set-user-id and set-group-id
  /// bits.
  static func dropSetID() throws(Errno) { try checked(hf_set_fsetid(0)) }

  static func regainSetID() { _ = hf_set_fsetid(1) }
}
