internal import ArgumentParser
internal import HandleStore
internal import SystemPackage

struct Mount: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Mount a directory in another place (the default).",
    discussion: """
      The command returns as soon as the filesystem is mounted and served. A supervisor and a \
      server keep running in the background. To unmount, use umount(8) or send SIGTERM to the \
      supervisor. On SIGTERM, a mount that is in use is detached from the mount point at once, and \
      served until its last user is gone. SIGHUP is ignored. A server that dies is replaced, and \
      so is a server that was stopped (--watchdog). Programs that use the mount do not notice.

      Needs root. Files are found by their handles if the filesystem of SOURCE has them (ext4, XFS, \
      btrfs, f2fs, overlayfs with nfs_export=on, and others; `handlestore probe SOURCE` checks \
      this), and are kept open otherwise (--handles). Other \
      filesystems that are mounted inside SOURCE are shown only with --cross-mounts.
      """)

  @OptionGroup var mount: MountOptions

  @Flag(help: "Stay in the foreground and log to standard error.")
  var foreground = false

  func run() throws {
    try Log.tellingErrors(.supervisor, of: mount, start)
  }

  private func start() throws {
    guard !mount.isRemount else {
      throw ValidationError(
        "remount: use mount(8), which knows the present flags (mount -o remount,...)")
    }
    let mount = try checked()
    guard !foreground else {
      return try Supervisor(mount, inBackground: false).run {}
    }
    try startInBackground(mount)
  }

  /// Returns the options with absolute paths, if the mount point is free.
  func checked() throws -> MountOptions {
    try mount.database.requireNoPassword()
    try mount.requireFreePlace()
    let mount = try mount.absolute()
    try Conversation.requireNoDeadServer(on: mount.mountpoint)
    return mount
  }

  /// Starts a supervisor, and waits until the filesystem is served.
  func startInBackground(_ mount: MountOptions) throws {
    ServiceManager.disown()
    let ready = try Parking.makeSockets()
    let supervisor = try Processes.spawn(
      Processes.program, arguments: ["supervise", "--new"] + mount.arguments,
      descriptors: [ready.its], newSession: true)
    try ready.its.close()
    guard Processes.receive(from: ready.mine) != .serving else { return }
    // The supervisor has failed, and has printed the reason.
    _ = try Processes.wait(for: [Processes.descriptor(of: supervisor)])
    throw Processes.reap(supervisor).exitCode
  }
}
