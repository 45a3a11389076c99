internal import ArgumentParser
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// What `mount(8)` runs for the types `handlefs` and `fuse.handlefs`: this program under the name
/// `mount.handlefs` or `mount.fuse.handlefs`.
struct MountHelper: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mount.handlefs",
    abstract: "Mount a directory in another place, for mount(8).",
    discussion: """
      mount(8) runs this for mount -t handlefs SOURCE MOUNTPOINT -o store=DIR,... \
      `handlefs help mount` describes the options.

      Exit codes: 0 success; 1 wrong usage, or not root; 2 the system cannot start a process; \
      32 the mount failed.
      """)

  @Argument(help: "The directory to show.")
  var source: String

  @Argument(help: "The directory to mount on.")
  var mountpoint: String

  @Option(
    name: .customShort("o"),
    help: ArgumentHelp("The options of the mount.", valueName: "options"))
  var o: [String] = []

  @Flag(name: .customShort("s"), help: "Ignore unknown options.")
  var sloppy = false

  @Flag(name: .customShort("f"), help: "Do everything but mount.")
  var fake = false

  @Flag(name: .customShort("n"), help: "Accepted for mount(8): there is no /etc/mtab to write.")
  var noTable = false

  @Flag(name: .customShort("v"), help: "Print what is done.")
  var verbose = false

  @Option(
    name: .customShort("N"),
    help: ArgumentHelp(
      "The mount namespace to mount in: a process id, or a file such as /proc/1/ns/mnt.",
      valueName: "namespace"))
  var namespace: String?

  @Option(
    name: .customShort("t"),
    help: ArgumentHelp("The type that mount(8) was given.", valueName: "type"))
  var type: String?

  /// Whether this process was started as the helper.
  static var isCalled: Bool { calledName.hasPrefix("mount.") }

  private static var calledName: String {
    CommandLine.arguments.first.flatMap { FilePath($0).lastComponent?.string } ?? ""
  }

  /// Runs the helper, with the exit codes of `mount(8)`.
  static func runAsCalled() -> Never {
    do {
      try HandleFS.requireText(HandleFS.arguments)
      try parse(HandleFS.arguments).run()
      Glibc.exit(0)
    } catch {
      var exit = CommandExit(error, of: Self.self)
      exit.status = status(error, exit.status)
      // The usage that follows is that of another command.
      if exit.status != 0 { exit.message = String(exit.message.prefix { $0 != "\n" }) }
      exit.leave(calledName)
    }
  }

  /// Returns the exit code of `mount(8)` for an error and its usual exit code.
  private static func status(_ error: any Error, _ usual: Int32) -> Int32 {
    switch usual {
    case ExitStatus.fine.rawValue: 0
    case ExitStatus.usage.rawValue: 1
    default: isShortage(error) ? 2 : 32
    }
  }

  /// Whether the system has no process or descriptor left for the mount.
  private static func isShortage(_ error: any Error) -> Bool {
    if case StoreError.tooManyOpenFiles = error { return true }
    return error is Errno
  }

  func run() throws {
    guard geteuid() == 0 else { throw ValidationError("only root can mount a handlefs") }
    if let namespace { try enter(namespace) }
    let mount = try command()
    guard !mount.mount.isRemount else { return try Remount(mount.mount).run(onlyCheck: fake) }
    let options = try mount.checked()
    if !fake { try mount.startInBackground(options) }
    if verbose { print("handlefs: \(options.source) mounted on \(options.mountpoint)") }
  }

  private func command() throws -> Mount {
    var words = o.flatMap(OptionWord.list)
    if sloppy {
      var taken = try MountOptions.parse(["--store", "any", "--", source, mountpoint])
      words = try words.filter { try $0.text == "remount" || taken.take($0) }
    }
    let options = words.flatMap { ["-o", $0.escaped] }
    return try Mount.parse(options + ["--", source, mountpoint])
  }

  private func enter(_ namespace: String) throws {
    let file = Int32(namespace) == nil ? namespace : "/proc/\(namespace)/ns/mnt"
    do {
      try Processes.enterMounts(file)
    } catch {
      throw CommandError("entering the mount namespace \(file): \(error)")
    }
  }
}
