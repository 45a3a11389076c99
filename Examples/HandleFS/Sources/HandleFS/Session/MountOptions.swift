internal import ArgumentParser
internal import SystemPackage

/// Whether the kernel reads and writes open files by itself.
enum Passthrough: String, CaseIterable, ExpressibleByArgument {
  /// If the kernel supports it (Linux 6.9).
  case auto
  case on
  case off
}

/// Whether the server finds files by their handles, or keeps them open.
enum Handles: String, CaseIterable, ExpressibleByArgument {
  /// By their handles if they can be opened by them for sure, and kept open otherwise.
  case auto
  /// Only by their handles.
  case require
  /// Kept open.
  case never
}

/// How requests come from the kernel.
enum Transport: String, CaseIterable, ExpressibleByArgument {
  /// Over io_uring, if the kernel offers it, and otherwise from `/dev/fuse`.
  case auto
  /// From `/dev/fuse`.
  case dev
  /// Over io_uring.
  case uring
}

/// What to mount, where and how. The user gives these options to the command, which passes them to
/// the supervisor and the server.
struct MountOptions: ParsableArguments {
  @Argument(
    help: "The directory to show.")
  var source: String

  @Argument(help: "The directory to mount on.")
  var mountpoint: String

  @Option(
    help: ArgumentHelp(
      "The store's directory, outside SOURCE. It is created if it does not exist.",
      discussion: "Several mounts may have the same one.",
      valueName: "dir"))
  var store = ""

  @OptionGroup var database: DatabaseOptions

  @Flag(help: "Refuse all changes through the mount.")
  var readOnly = false

  @Option(
    help: ArgumentHelp(
      "How long the kernel uses names and attributes without asking the server.",
      discussion:
        "The default is a day if the server sees each change behind the mount's back, and tells the kernel "
        + "of it: on ext4, XFS, btrfs, f2fs and tmpfs with Linux 6.16. Otherwise it is 1, and such a change "
        + "is seen after a second at the latest. 0: the kernel always asks, which is slower.",
      valueName: "seconds"))
  var cacheTimeout: Double?

  @Option(
    help: ArgumentHelp(
      "Whether the kernel reads and writes open files by itself: auto (if it can), on or off.",
      valueName: "auto|on|off"))
  var passthrough = Passthrough.auto

  @Option(
    help: ArgumentHelp(
      "How requests come from the kernel: over io_uring, from /dev/fuse, or auto (io_uring if it can be).",
      discussion:
        "With io_uring the server answers a request on the processor of the program that waits for it. Needs "
        + "Linux 6.14 with the parameter enable_uring of its module fuse; not with --request-timeout.",
      valueName: "auto|dev|uring"))
  var transport = Transport.auto

  @Option(
    help: ArgumentHelp(
      "Whether files are found by their handles: auto (if they can be), require or never.",
      discussion:
        "Otherwise every file that the kernel knows stays open, as many as the limit of open files "
        + "allows (ulimit -n), and file handles are valid only as long as the kernel knows the file.",
      valueName: "auto|require|never"))
  var handles = Handles.auto

  @Option(
    help: ArgumentHelp(
      "The most files that the kernel and the store remember, 1000 or more. 0: any number.",
      discussion:
        "If there are more, those that have not been used for longest are forgotten, except files in "
        + "use. A forgotten file is found again by its name, but a file handle that was made of it "
        + "before is stale. The kernel can be asked to forget files from Linux 6.18 on.",
      valueName: "count"))
  var nodes = 0

  @Option(
    help: ArgumentHelp(
      "How long the kernel remembers a file that nobody uses. 0: as long as it likes.",
      discussion: "File handles stay valid. Needs Linux 6.18.",
      valueName: "seconds"))
  var idleForget = 0.0

  @Flag(
    help: ArgumentHelp(
      "Also show what is mounted inside SOURCE.",
      discussion:
        "Without this option, a name on which something is mounted gives EXDEV. The file handles of "
        + "files on such mounts are valid only as long as the kernel knows the file."))
  var crossMounts = false

  @Option(
    help: ArgumentHelp(
      "How the log is written: as text, or as one JSON object per line.", valueName: "text|json"))
  var logFormat = LogFormat.text

  @Option(
    help: ArgumentHelp(
      "Kill and replace a server that has not answered for this long. 0: never.",
      discussion:
        "This replaces a server that was stopped (SIGSTOP) or gets no processor time. Requests that "
        + "wait for a slow disk do not count. Use 0 to debug a server.",
      valueName: "seconds"))
  var watchdog = 30.0

  @Option(
    help: ArgumentHelp(
      "How many threads answer requests at most. One does it alone unless requests queue. With io_uring each "
        + "processor has threads of its own.",
      valueName: "n"))
  var threads = 16

  @Option(
    help: ArgumentHelp(
      "The processors that the server may use, such as 0-2,5. The default is all.",
      valueName: "list"))
  var cpus: ProcessorList?

  @Flag(
    help: ArgumentHelp(
      "Let mounts of the filesystem map users and groups (mount_setattr(2), X-mount.idmap).",
      discussion:
        "The kernel then says who the caller is only when a file is made. For other requests the "
        + "server reads it in /proc, and counts a caller that is not visible there as nobody. Needs "
        + "Linux 6.12."))
  var allowIdmap = false

  @Option(
    help: ArgumentHelp(
      "How many requests that nobody waits for, such as reading ahead, the kernel sends at a time.",
      valueName: "n"))
  var maxBackground = 64

  @Option(
    help: ArgumentHelp(
      "How many of those requests make the kernel hold back more of them. The default is three "
        + "quarters of --max-background.", valueName: "n"))
  var congestion: Int?

  @Option(
    help: ArgumentHelp(
      "Give up the filesystem if a request is not answered within this time. 0: never.",
      discussion:
        "The kernel then ends the connection: all callers get an error, open files are lost, and the "
        + "filesystem is unmounted. Without this, callers wait as long as a disk does not answer. The "
        + "kernel looks every 15 seconds. Needs Linux 6.15.",
      valueName: "seconds"))
  var requestTimeout = 0

  @Option(
    help: ArgumentHelp(
      "The name in the first column of /proc/mounts, for umount(8). The default is SOURCE.",
      valueName: "name"))
  var fsname: String?

  @Option(
    name: .customShort("o"),
    help: ArgumentHelp(
      "Options as mount(8) takes them: the options above (store=DIR, shared=CONNECTION, gateway=NAME, "
        + "filesystem_name=NAME, cache=DIR, patience=SECONDS, ro, cache_timeout=SECONDS, "
        + "passthrough=auto|on|off, transport=auto|dev|uring, handles=auto|require|never, nodes=COUNT, idle_forget=SECONDS, "
        + "cross_mounts, watchdog=SECONDS, "
        + "log_format=text|json, fsname=NAME, allow_idmap, max_background=COUNT, "
        + "threads=COUNT, cpus=LIST, congestion_threshold=COUNT, request_timeout=SECONDS), and those that "
        + "mount(8) has for every filesystem. They outweigh the options above.",
      valueName: "options"))
  var o: [String] = []

  /// Moves the program's own options from `-o` to the properties of the long options, so that only
  /// the names of `mount(2)`'s flags are left in `-o`. For a remount all are left there: they are
  /// compared with the options that the mount has.
  mutating func validate() throws {
    guard !isRemount else { return }
    guard store.isEmpty || !isShared else {
      throw ValidationError("the nodes are either in --store DIR or in --shared CONNECTION")
    }
    o = try words.filter { word in
      guard try take(word) else { throw Self.unknown(word) }
      return MountFlags.has(word.name)
    }.map(\.name)
    try requireOnePlace()
    try database.requireRanges()
    try requireRanges()
  }

  static func unknown(_ word: OptionWord) -> ValidationError {
    ValidationError(
      "unknown mount option \(word.name); `handlefs help mount` lists those that there are")
  }

  private func requireRanges() throws {
    guard watchdog >= 0, watchdog <= 1e6 else {
      throw ValidationError("the watchdog takes 0 to 1000000 seconds")
    }
    guard nodes == 0 || nodes >= 1000 else {
      throw ValidationError("nodes takes 1000 or more, or 0 for any number")
    }
    guard idleForget >= 0, idleForget <= 1e6 else {
      throw ValidationError("the time after which to forget takes 0 to 1000000 seconds")
    }
    guard (0...1e9).contains(cacheTimeout ?? 0) else {
      throw ValidationError("the cache timeout takes 0 to 1000000000 seconds")
    }
    guard (1...64).contains(threads) else {
      throw ValidationError("there may be 1 to 64 threads")
    }
    if let cpus, cpus.numbers.contains(where: { $0 >= Processes.processorCount }) {
      throw ValidationError(
        "this machine has the processors 0 to \(Processes.processorCount - 1)")
    }
    try requireKernelRanges()
  }

  /// The options of `-o`.
  var words: [OptionWord] { o.flatMap(OptionWord.list) }

  /// Whether `-o` asks to change a mount.
  var isRemount: Bool { words.contains { $0.text == "remount" } }

  /// The flags of `mount(2)`.
  var flags: MountFlags { MountFlags(readOnly: readOnly, o) }

  func openSource() throws -> FileDescriptor {
    do {
      return try FileDescriptor.open(
        FilePath(source), .readOnly, options: [.directory, .closeOnExec])
    } catch {
      throw CommandError("opening \(source): \(error); name a directory that exists")
    }
  }

  /// Opens the directory of the store. Makes it first if there is none. Opens `/dev/null` if the nodes are
  /// in a database.
  func openStore() throws -> FileDescriptor {
    guard !isShared else { return try SessionDescriptors.openNothing() }
    do {
      try Processes.makeDirectory(store)
      return try FileDescriptor.open(
        FilePath(store), .readOnly, options: [.directory, .closeOnExec])
    } catch {
      throw CommandError(
        "opening \(store): \(error); name a store's directory, or a new one whose parent exists")
    }
  }

  /// Throws if a handlefs is already mounted on the mount point: `status` and the other commands
  /// could not tell the two apart.
  func requireFreePlace() throws {
    let point = try Processes.place(of: mountpoint)
    guard try MountTable.handleFS(on: point) == nil else {
      try Conversation.requireNoDeadServer(on: point)
      throw CommandError(
        "a handlefs is already mounted on \(point); unmount it first (umount \(point))", .finding)
    }
  }

  /// Returns the options with paths that are valid in any working directory.
  func absolute() throws -> MountOptions {
    var options = self
    options.source = try Processes.absolute(source)
    options.mountpoint = try Processes.resolved(FilePath(mountpoint)).string
    options.database = database.named(options.mountpoint)
    if isShared {
      options.database.cache = try database.cache.map { try place(of: "cache", $0, options) }
    } else {
      options.store = try place(of: "store", store, options)
    }
    return options
  }

  /// Returns the absolute path of a directory, which must be neither shown by the mount nor hidden.
  private func place(
    of what: String, _ path: String, _ options: MountOptions
  ) throws -> String {
    let path = try Processes.absolute(path)
    if "\(path)/".hasPrefix("\(options.source)/") {
      throw CommandError(
        "the \(what) \(path) lies in \(options.source) and would be shown; put it elsewhere", .usage
      )
    }
    if "\(path)/".hasPrefix("\(options.mountpoint)/") {
      throw CommandError(
        "the \(what) \(path) would be hidden by the mount; put it elsewhere", .usage)
    }
    return path
  }

  /// The options as command line arguments.
  var arguments: [String] {
    let place = isShared ? database.arguments : ["--store", store]
    let values = [
      "--watchdog", "\(watchdog)", "--nodes", "\(nodes)",
      "--idle-forget", "\(idleForget)", "--passthrough", passthrough.rawValue,
      "--transport", transport.rawValue, "--handles", handles.rawValue,
      "--log-format", logFormat.rawValue,
    ]
    let processors =
      ["--threads", "\(threads)"] + (cpus.map { ["--cpus", $0.defaultValueDescription] } ?? [])
    let timeout = cacheTimeout.map { ["--cache-timeout", "\($0)"] } ?? []
    let flags = (readOnly ? ["--read-only"] : []) + (crossMounts ? ["--cross-mounts"] : [])
    let name = fsname.map { ["--fsname=\($0)"] } ?? []
    return [source, mountpoint] + place + values + processors + timeout + flags + name
      + kernelArguments
      + o.flatMap { ["-o", $0] }
  }
}
