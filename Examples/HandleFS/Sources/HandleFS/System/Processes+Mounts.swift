internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// Mounts, and the first request on one.
extension Processes {
  /// Mounts a filesystem that shows `source`, under a name for `/proc/mounts`.
  static func mount(
    _ source: String, named name: String, on target: String, fuse: FileDescriptor,
    flags: MountFlags
  ) throws(Errno) {
    try checked(unsafe hf_mount(fuse.rawValue, source, name, target, flags.value))
  }

  /// Replaces the flags of a mount. What is forbidden on the mount of `source` stays forbidden.
  static func remount(_ target: String, of source: String, flags: MountFlags) throws(Errno) {
    try checked(unsafe hf_remount(source, target, flags.value))
  }

  /// Enters the mount namespace of a file in `/proc` (`setns(2)`).
  static func enterMounts(_ namespace: String) throws(Errno) {
    try checked(unsafe hf_enter_mounts(namespace))
  }

  /// Gives this process a copy of all mounts, so that what it has open keeps none of the others busy.
  static func leaveMounts() throws(Errno) { try checked(hf_leave_mounts()) }

  static func unmount(_ target: String, detach: Bool) throws(Errno) {
    try checked(unsafe hf_unmount(target, detach ? 1 : 0))
  }

  /// Prepares the memory file through which requests come over io_uring.
  ///
  /// - Parameter threads: how many requests are answered at a time at most.
  /// - Returns: how many bytes a request may carry at most, or why this machine cannot have it.
  static func planRings(
    in memory: FileDescriptor, threads: Int
  ) -> Result<UInt32, CommandError> {
    var obstacle: UnsafePointer<CChar>?
    let most = unsafe hf_plan_ring(memory.rawValue, CInt(threads), &obstacle)
    if let most = UInt32(exactly: most) { return .success(most) }
    let reason = unsafe obstacle.map { unsafe String(cString: $0) } ?? ""
    return .failure(CommandError("no requests over io_uring: \(reason); use --transport auto"))
  }

  /// Allocates and maps ahead of time what ``Session/serve(threads:on:rings:)`` needs.
  static func prepareToServe(rings: FileDescriptor) { hf_prepare(rings.rawValue) }

  /// Makes a file empty.
  static func empty(_ file: FileDescriptor) throws(Errno) {
    guard ftruncate(file.rawValue, 0) == 0 else { throw Errno(rawValue: errno) }
  }

  /// Answers the kernel's first request (FUSE_INIT).
  ///
  /// - Returns: those of the wanted features that the kernel has.
  static func answerStart(
    _ request: [UInt8], on fuse: FileDescriptor, _ wishes: KernelWishes
  ) throws(Errno) -> KernelFeatures {
    var raw = hf_wishes(
      features: wishes.features.rawValue, max_background: wishes.maxBackground,
      congestion_threshold: wishes.congestion, max_write: wishes.maxWrite,
      request_timeout: wishes.requestTimeout)
    let features = try checked(
      unsafe request.withUnsafeBytes {
        unsafe hf_answer_init(fuse.rawValue, $0.baseAddress, $0.count, &raw)
      })
    return KernelFeatures(rawValue: UInt32(features))
  }
}
