internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// The system calls that a supervisor makes.
enum Processes {
  /// Starts a program with `descriptors` as its descriptors 3, 4, … and with this process's
  /// environment; returns its process id.
  static func spawn(
    _ program: FilePath, arguments: [String], descriptors: [FileDescriptor],
    newSession: Bool = false
  ) throws(Errno) -> Int32 {
    let numbers = descriptors.map(\.rawValue)
    var copies = unsafe ([program.string] + arguments).map { unsafe strdup($0) } + [nil]
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

  /// Returns an absolute path in which only the last component may be a symbolic link. The last
  /// component need not exist, and the call does not touch it.
  static func absolute(_ path: String) throws -> String {
    let path = FilePath(path)
    guard let name = path.lastComponent, name.kind == .regular else {
      return try resolved(path).string
    }
    let parent = path.removingLastComponent()
    return try resolved(parent.isEmpty ? "." : parent).appending(name).string
  }

  /// Returns the absolute path to which a path leads, also if its last component is a symbolic link.
  /// The call does not ask what is mounted there.
  static func place(of path: String) throws -> String {
    var place = try absolute(path)
    for _ in 0..<40 {
      guard let target = link(place) else { break }
      place = try absolute(
        FilePath(place).removingLastComponent().pushing(FilePath(target)).string)
    }
    return place
  }

  /// Returns the contents of a symbolic link, or `nil` if there is none (`readlink(2)`).
  static func link(_ path: String) -> String? {
    var target = [UInt8](repeating: 0, count: 4096)
    let count = unsafe readlink(path, &target, target.count)
    return count < 0 ? nil : String(decoding: target.prefix(count), as: UTF8.self)
  }

  /// Returns an absolute path without symbolic links (`realpath(3)`). The file must exist.
  static func resolved(_ path: FilePath) throws -> FilePath {
    guard let real = unsafe path.withPlatformString({ unsafe realpath($0, nil) }) else {
      let error = Errno(rawValue: errno)
      if error == .socketNotConnected { throw CommandError.serverIsGone(path.string) }
      throw CommandError("\(path): \(error); name a directory that exists")
    }
    defer { unsafe free(real) }
    return unsafe FilePath(platformString: real)
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

  /// Makes a directory that only its owner can use. A directory that already exists is no error.
  static func makeDirectory(_ path: String) throws(Errno) {
    guard unsafe mkdir(path, 0o700) != 0, errno != EEXIST else { return }
    throw Errno(rawValue: errno)
  }

  static func rename(_ old: String, to new: String) throws(Errno) {
    guard unsafe Glibc.rename(old, new) == 0 else { throw Errno(rawValue: errno) }
  }

  /// Returns the inode number of a directory, or 0 if there is none.
  static func inode(of path: String) -> UInt64 {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? UInt64(status.st_ino) : 0
  }

  /// `remove(3)`. Errors are ignored.
  static func remove(_ path: String) { _ = unsafe Glibc.remove(path) }

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
    return length > 0 ? FilePath(platformString: path) : "/proc/self/exe"
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

  // MARK: Mounts

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

  static func unmount(_ target: String, detach: Bool) throws(Errno) {
    try checked(unsafe hf_unmount(target, detach ? 1 : 0))
  }

  /// Answers the kernel's first request (FUSE_INIT).
  ///
  /// - Returns: those of the wanted features that the kernel has.
  static func answerStart(
    _ request: [UInt8], on fuse: FileDescriptor, _ wishes: KernelWishes
  ) throws(Errno) -> KernelFeatures {
    var raw = hf_wishes(
      features: wishes.features.rawValue, max_background: wishes.maxBackground,
      congestion_threshold: wishes.congestion, request_timeout: wishes.requestTimeout)
    let features = try checked(
      unsafe request.withUnsafeBytes {
        unsafe hf_answer_init(fuse.rawValue, $0.baseAddress, $0.count, &raw)
      })
    return KernelFeatures(rawValue: UInt32(features))
  }

  // MARK: Descriptors

  static func memoryFile(_ name: String) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(unsafe hf_memory_file(name)))
  }

  /// How many processors the machine has.
  static var processorCount: Int { sysconf(CInt(_SC_NPROCESSORS_CONF)) }

  /// Has this process run only on some processors; call it while it has one thread.
  static func use(_ processors: ProcessorList) throws {
    do throws(Errno) {
      try checked(unsafe hf_use_processors(processors.numbers, processors.numbers.count))
    } catch {
      throw CommandError(
        "using the processors \(processors.defaultValueDescription): \(error); name some that this "
          + "process may use (taskset -p $$ shows them)")
    }
  }

  /// Makes two connected sockets for messages.
  static func socketPair() throws(Errno) -> (FileDescriptor, FileDescriptor) {
    var pair: [CInt] = [-1, -1]
    try checked(unsafe hf_socket_pair(&pair))
    return (FileDescriptor(rawValue: pair[0]), FileDescriptor(rawValue: pair[1]))
  }

  /// Passes the notices that come from a socket on to the kernel, for as long as the process runs.
  static func passNotices(_ socket: FileDescriptor, to fuse: FileDescriptor) {
    hf_pass_notices(socket.rawValue, fuse.rawValue)
  }

  static func signals() throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(hf_signals()))
  }

  static func nextSignal(_ signals: FileDescriptor) throws(Errno) -> Int32 {
    try checked(hf_next_signal(signals.rawValue))
  }

  static func listen(on path: String) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(unsafe hf_listen(path)))
  }

  static func accept(_ listener: FileDescriptor) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(hf_accept(listener.rawValue)))
  }

  static func connect(to path: String) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(unsafe hf_connect(path)))
  }

  /// Waits until a descriptor is readable or closed, for at most `milliseconds` (for ever if
  /// negative). A `nil` descriptor is skipped.
  ///
  /// - Returns: for each descriptor, whether it is ready.
  static func wait(for descriptors: [FileDescriptor?], milliseconds: Int = -1) -> [Bool] {
    var list = descriptors.map {
      pollfd(fd: $0?.rawValue ?? -1, events: Int16(POLLIN), revents: 0)
    }
    unsafe poll(&list, nfds_t(list.count), CInt(clamping: milliseconds))
    return list.map { $0.revents != 0 }
  }

  /// Whether the connection of a mount to the kernel (`/dev/fuse`) has ended.
  static func isEnded(_ fuse: FileDescriptor) -> Bool {
    var state = pollfd(fd: fuse.rawValue, events: 0, revents: 0)
    return unsafe poll(&state, 1, 0) > 0 && state.revents & Int16(POLLERR) != 0
  }

  /// The time by `CLOCK_MONOTONIC`, in milliseconds.
  static var now: Int { nowMicroseconds / 1000 }

  /// The time by `CLOCK_MONOTONIC`, in microseconds.
  static var nowMicroseconds: Int {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
  }

  static func sleep(milliseconds: UInt32) { usleep(milliseconds * 1000) }

  // MARK: Messages

  static func send(_ message: Message, to socket: FileDescriptor) {
    var byte = message.rawValue
    _ = unsafe Glibc.send(socket.rawValue, &byte, 1, CInt(MSG_NOSIGNAL))
  }

  /// Sends a message together with descriptors.
  static func send(
    _ message: Message, with descriptors: [FileDescriptor], to socket: FileDescriptor
  ) throws(Errno) {
    let numbers = descriptors.map(\.rawValue)
    try checked(
      unsafe hf_send_descriptors(socket.rawValue, message.rawValue, numbers, numbers.count))
  }

  /// Waits for the next message and the descriptors that come with it; returns `nil` if the other side has
  /// closed the socket. The descriptors are the caller's, to close.
  static func receiveAll(
    from socket: FileDescriptor
  ) -> (message: Message?, descriptors: [FileDescriptor])? {
    var byte: UInt8 = 0
    var numbers = [CInt](repeating: -1, count: Int(HF_MOST_DESCRIPTORS))
    let count = unsafe hf_receive_descriptors(socket.rawValue, &byte, &numbers)
    guard count >= 0 else { return nil }
    return (Message(rawValue: byte), numbers.prefix(Int(count)).map(FileDescriptor.init(rawValue:)))
  }

  /// Whether the process at the other end of a connection belongs to this process's user.
  static func isOwn(_ connection: FileDescriptor) -> Bool { hf_is_own(connection.rawValue) == 1 }

  /// Sends a line without waiting; returns whether all of it was sent.
  static func sendAtOnce(_ line: String, to socket: FileDescriptor) -> Bool {
    let bytes = Array(line.utf8)
    let flags = CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)
    return unsafe Glibc.send(socket.rawValue, bytes, bytes.count, flags) == bytes.count
  }

  /// Shuts a connection down, so that both sides read its end.
  static func shutDown(_ socket: FileDescriptor) {
    _ = shutdown(socket.rawValue, CInt(SHUT_RDWR))
  }

  /// Waits for the next message; returns `nil` if the other side has closed the socket.
  static func receive(from socket: FileDescriptor) -> Message? {
    var byte: UInt8 = 0
    while true {
      let count = unsafe recv(socket.rawValue, &byte, 1, 0)
      if count == 1 { return Message(rawValue: byte) }
      if count == 0 || errno != EINTR { return nil }
    }
  }
}

/// Reads and writes small files and streams.
extension FileDescriptor {
  /// Calls `read(2)` once, for at most `limit` bytes.
  func readOnce(_ limit: Int) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: limit)
    let count = unsafe Glibc.read(rawValue, &bytes, limit)
    guard count >= 0 else { throw Errno(rawValue: errno) }
    return Array(bytes.prefix(count))
  }

  /// Returns the contents of a file from an offset on, at most 64 KiB.
  func contents(from offset: Int = 0) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = unsafe Glibc.pread(rawValue, &bytes, bytes.count, Int(offset))
    guard count >= 0 else { throw Errno(rawValue: errno) }
    return Array(bytes.prefix(count))
  }

  /// Returns the whole contents of the file at a path.
  static func contents(of path: String) throws(Errno) -> [UInt8] {
    let file = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw Errno(rawValue: errno) }
    defer { _ = Glibc.close(file) }
    var contents: [UInt8] = []
    while case let bytes = try FileDescriptor(rawValue: file).readOnce(64 << 10), !bytes.isEmpty {
      contents += bytes
    }
    return contents
  }

  func writeOnce(_ bytes: [UInt8]) throws(Errno) {
    guard unsafe Glibc.write(rawValue, bytes, bytes.count) == bytes.count else {
      throw Errno(rawValue: errno)
    }
  }
}
