internal import ArgumentParser
internal import SystemPackage

/// Whether the kernel reads and writes open files by itself.
enum Passthrough: String, CaseIterable, ExpressibleByArgument {
  /// If the kernel supports it (Linux 6.9).
  case auto
  case on
  case off
}

/// What to mount, where and how. The user gives these options to the command, which passes them to
/// the supervisor and the server.
struct MountOptions: ParsableArguments {
  @Argument(
    help: "The directory that is shown; of ext4, XFS, btrfs or another file system with handles.")
  var source: String

  @Argument(help: "The directory on which it is mounted.")
  var mountpoint: String

  @Option(help: "The directory of the store, outside of SOURCE; it is made where there is none.")
  var store: String

  @Flag(help: "Nothing can be changed through the mount.")
  var readOnly = false

  @Option(
    help: ArgumentHelp(
      "For how long the kernel believes names and attributes without asking.",
      discussion:
        "What is changed behind the mount's back is seen after so many seconds; 0 sees it at once and "
        + "is slower.",
      valueName: "seconds"))
  var cacheTimeout = 1.0

  @Option(
    help: ArgumentHelp(
      "Whether the kernel reads and writes open files by itself: auto (where it can), on or off.",
      valueName: "auto|on|off"))
  var passthrough = Passthrough.auto

  @Flag(
    help: ArgumentHelp(
      "Show what is mounted inside SOURCE, too.",
      discussion:
        "Without it, a name on which something is mounted gives EXDEV. File handles of such files are good "
        + "for as long as the kernel knows the file."))
  var crossMounts = false

  @Option(
    help: ArgumentHelp(
      "After how long a server that does not answer its supervisor is killed and replaced; 0: never.",
      discussion:
        "One that was stopped (SIGSTOP), or that does not get to run. Set it to 0 to look into a server "
        + "with a debugger. Requests that wait for a slow disk are no reason.",
      valueName: "seconds"))
  var watchdog = 30.0

  func validate() throws {
    guard watchdog >= 0, watchdog <= 1e6 else {
      throw ValidationError("--watchdog takes 0 to 1000000 seconds")
    }
    guard cacheTimeout >= 0, cacheTimeout <= 1e9 else {
      throw ValidationError("--cache-timeout takes 0 to 1000000000 seconds")
    }
  }

  func openSource() throws -> FileDescriptor {
    do {
      return try FileDescriptor.open(
        FilePath(source), .readOnly, options: [.directory, .closeOnExec])
    } catch {
      throw CommandError("opening \(source): \(error); name a directory that exists")
    }
  }

  /// Opens the directory of the store. Makes it first if there is none.
  func openStore() throws -> FileDescriptor {
    do {
      try Processes.makeDirectory(store)
      return try FileDescriptor.open(
        FilePath(store), .readOnly, options: [.directory, .closeOnExec])
    } catch {
      throw CommandError(
        "opening \(store): \(error); name a store's directory, or one in a directory that exists")
    }
  }

  /// Throws if a handlefs is already mounted on the mount point: `status` and the other commands
  /// could not tell the two apart.
  func requireFreePlace() throws {
    let point = try Processes.place(of: mountpoint)
    guard try MountTable.handleFS(on: point) == nil else {
      try Conversation.requireNoneGone(from: point)
      throw CommandError(
        "\(point) has a handlefs mounted on it already; unmount that first (umount \(point))")
    }
  }

  /// Returns the options with paths that are valid in any working directory.
  func absolute() throws -> MountOptions {
    var options = self
    options.source = try Processes.absolute(source)
    options.mountpoint = try Processes.resolved(FilePath(mountpoint)).string
    options.store = try Processes.absolute(store)
    if "\(options.store)/".hasPrefix("\(options.source)/") {
      throw CommandError(
        "the store \(options.store) would be shown with \(options.source); keep it elsewhere")
    }
    if "\(options.store)/".hasPrefix("\(options.mountpoint)/") {
      throw CommandError(
        "the store \(options.store) would be hidden by what is mounted; keep it elsewhere")
    }
    return options
  }

  /// The options as command line arguments.
  var arguments: [String] {
    [source, mountpoint, "--store", store, "--cache-timeout", "\(cacheTimeout)"]
      + ["--watchdog", "\(watchdog)"]
      + ["--passthrough", passthrough.rawValue] + (readOnly ? ["--read-only"] : [])
      + (crossMounts ? ["--cross-mounts"] : [])
  }
}
