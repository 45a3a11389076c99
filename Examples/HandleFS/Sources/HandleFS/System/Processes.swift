internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// The system calls that a supervisor makes.
enum Processes {
  /// Starts a program with `descriptors` as its descriptors 3, 4, … and with this process's
  /// environment; returns its process id.
  ///
  /// - Parameter name: its first argument; `nil` for its path.
  static func spawn(
    _ program: FilePath, named name: FilePath? = nil, arguments: [String],
    descriptors: [FileDescriptor], newSession: Bool = false
  ) throws(Errno) -> Int32 {
    let numbers = descriptors.map(\.rawValue)
    var copies = unsafe ([(name ?? program).string] + arguments).map { unsafe strdup($0) } + [nil]
    defer { unsafe copies.forEach { unsafe free($0) } }
    return try checked(
      unsafe program.withPlatformString {
        unsafe hf_spawn($0, &copies, numbers, CInt(numbers.count), newSession ? 1 : 0)
      })
  }

  /// Returns a descriptor that becomes readable when a process ends (`pidfd_open(2)`).
  static func descriptor(of process: Int32) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(hf_process(process)))
  }

  /// Closes a descriptor in programs that this process starts, unless it is passed to them
  /// explicitly.
  static func closeInPrograms(_ descriptor: FileDescriptor) {
    _ = fcntl(descriptor.rawValue, F_SETFD, FD_CLOEXEC)
  }

  static func isOpen(_ descriptor: FileDescriptor) -> Bool {
    fcntl(descriptor.rawValue, F_GETFD) >= 0
  }

  /// Returns the value of an environment variable, or `nil` if it is not set.
  static func variable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }

  /// Removes an environment variable. Only a process without other threads may do this.
  static func forget(_ name: String) { _ = unsafe unsetenv(name) }

  /// Sends a message to the socket of a service manager. Errors are ignored: the mount matters more.
  static func notify(_ socket: String, _ message: String) { _ = unsafe hf_notify(socket, message) }

  static func log(priority: Int32, _ text: String) { unsafe hf_log(priority, text) }

  /// Opens those of standard input, output and error that are closed (on `/dev/null`).
  static func openStandard() { _ = hf_open_standard() }

  /// Redirects standard input, output and error to `/dev/null`.
  static func silence() { _ = hf_silence() }

  /// Has this process killed when its parent ends. Returns whether the parent is still there.
  static func endWith(parent: Int32) -> Bool { hf_end_with(parent) == 0 }

  /// Sends SIGKILL to a process.
  static func kill(_ process: Int32) { _ = Glibc.kill(process, SIGKILL) }

  /// How a process ended.
  enum End: Equatable {
    case exit(Int32)
    case signal(Int32)
    /// Unknown: the process is not a child of this process.
    case unknown

    /// Whether the process exited with an error or crashed, as a server does that cannot use its
    /// store. Other signals, such as SIGKILL and SIGTERM, come from outside and say nothing about
    /// the store.
    var isFailure: Bool {
      switch self {
      case .exit(let status): status != 0
      case .signal(let signal):
        [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP].contains(signal)
      case .unknown: false
      }
    }
  }

  /// Reaps a child that has ended and returns how it ended.
  @discardableResult
  static func reap(_ process: Int32) -> End {
    let status = hf_wait(process)
    if status < 0 { return .unknown }
    return status < 256 ? .exit(status) : .signal(status - 256)
  }

  /// Ends this process at once.
  static func end(_ status: Int32) -> Never { _exit(status) }

  static var id: Int32 { getpid() }

  /// Gives this process a name, of at most 15 bytes, which ps(1) shows. Only the first thread may do this.
  static func setName(_ name: String) { unsafe hf_set_name(name) }

  /// The name of this machine (`uname(2)`).
  static var hostName: String {
    var names = utsname()
    _ = unsafe uname(&names)
    return unsafe withUnsafeBytes(of: names.nodename) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// The kernel's version; (0, 0) if it is unknown.
  static let kernel: (Int, Int) = {
    var names = utsname()
    _ = unsafe uname(&names)
    let release = unsafe withUnsafeBytes(of: names.release) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    let numbers = release.split { !$0.isNumber }.compactMap { Int($0) }
    return numbers.count < 2 ? (0, 0) : (numbers[0], numbers[1])
  }()

  /// The path of the program that this process runs. It is read at the first use and kept, because
  /// the program may be replaced later.
  static let program: FilePath = {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = unsafe readlink("/proc/self/exe", &path, path.count - 1)
    let found = FilePath(platformString: path)
    // A file that was replaced or removed while it runs has no path any more.
    return length > 0 && !found.string.hasSuffix(" (deleted)") ? found : "/proc/self/exe"
  }()

  /// Ignores SIGPIPE: a write to a closed pipe or socket then only fails with `EPIPE`.
  static func ignoreClosedPipes() { signal(SIGPIPE, SIG_IGN) }

  /// Ignores SIGHUP.
  static func ignoreHangups() { signal(SIGHUP, SIG_IGN) }

  /// Raises this process's limit of open descriptors to the maximum that it may set.
  static func raiseDescriptorLimit() { _ = hf_raise_limit() }

  /// Has the kernel make its table of this process's descriptors as long as most servers need it. In a
  /// process of several threads, it would wait for all processors each time that the table has to grow,
  /// which takes some 10 ms. Call it while there is one thread.
  static func makeRoomForDescriptors() {
    let last = fcntl(0, F_DUPFD_CLOEXEC, CInt(min(4096, descriptorLimit) - 1))
    if last >= 0 { close(last) }
  }

  /// This process's limit of open descriptors.
  static var descriptorLimit: Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return 1024
    }
    return Int(clamping: limit.rlim_cur)
  }
}
