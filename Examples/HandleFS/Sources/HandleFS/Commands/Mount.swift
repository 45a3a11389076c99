internal import ArgumentParser
internal import HandleStore
internal import SystemPackage

struct Mount: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Mount a directory in another place (the default).",
    discussion: """
      The command returns once the file system is mounted and served; a supervisor and a server go on in \
      the background. Ending the supervisor (SIGTERM) unmounts: at once where nothing is in use, else from \
      its place, and for good with its last user. umount(8) does the same. SIGHUP does nothing. A server \
      that dies is replaced, and so is one that was stopped (--watchdog), and nothing that uses the mount \
      notices.

      Needs root, and a file system with file handles for SOURCE (ext4, XFS, btrfs, f2fs, overlayfs with \
      nfs_export=on, and others: `handlestore probe SOURCE`). Other file systems that are mounted inside \
      SOURCE are not shown.
      """)

  @OptionGroup var mount: MountOptions

  @Flag(help: "Stay in the foreground, and log to standard error.")
  var foreground = false

  func run() throws {
    Processes.openStandard()
    try mount.requireFreePlace()
    let mount = try mount.absolute()
    try Conversation.requireNoneGone(from: mount.mountpoint)
    guard !foreground else {
      return try Supervisor(mount, inBackground: false).run {}
    }
    let ready = try Parking.makeSockets()
    _ = try Processes.spawn(
      Processes.program, ["supervise", "--new"] + mount.arguments, [ready.its], newSession: true)
    try ready.its.close()
    // If the supervisor fails, it has printed the reason.
    guard Processes.receive(from: ready.mine) == .serving else { throw ExitCode.failure }
  }
}
