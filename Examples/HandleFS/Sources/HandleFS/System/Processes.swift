internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// The calls that a supervisor makes.
enum Processes {
  /// Starts a program with descriptors as 3, 4, … and the environment of this one.
  static func spawn(
    _ program: FilePath, _ arguments: [String], _ descriptors: [FileDescriptor],
    newSession: Bool = false
  ) throws(Errno) -> Int32 {
    let numbers = descriptors.map(\.rawValue)
    var copies = unsafe ([program.string] + arguments).map { unsafe strdup($0) } + [nil]
    defer { for unsafecopy in unsafe copies { unsafe free(copy) } }
    return try checked(
      unsafe program.withPlatformString {
        unsafe hf_spawn($0, &copies, numbers, CInt(numbers.count), newSession ? 1 : 0)
      })
  }

  /// A descriptor that can be read once a process has ended (`pidfd_open(2)`).
  static func descriptor(of process: Int32) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(hf_process(process)))
  }

  /// Lets go of a child that has ended.
  static func reap(_ process: Int32) { _ = hf_wait(process) }

  static var id: Int32 { getpid() }

  /// The program that this process runs.
  static var program: FilePath {
    get throws(Errno) {
      var path = [CChar](repeating: 0, count: Int(PATH_MAX))
      let length = unsafe readlink("/proc/self/exe", &path, path.count - 1)
      guard length > 0 else { throw Errno(rawValue: errno) }
      return FilePath(platformString: path)
    }
  }

  /// As many descriptors as this process may have.
  static func raiseDescriptorLimit() { _ = hf_raise_limit() }

  /// How many descriptors this process may have.
  static var descriptorLimit: Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return 1024
    }
    return Int(clamping: limit.rlim_cur)
  }

  // MARK: Mounts

  static func mount(
    _ source: String, on target: String, fuse: FileDescriptor, readOnly: Bool
  ) throws(Errno) {
    try checked(unsafe hf_mount(fuse.rawValue, source, target, readOnly ? 1 : 0))
  }

  static func unmount(_ target: String, detach: Bool) throws(Errno) {
    try checked(unsafe hf_unmount(target, detach ? 1 : 0))
  }

  /// Answers the kernel's first request; says whether it passes reads and writes through.
  static func answerStart(
    _ request: [UInt8], on fuse: FileDescriptor, passthrough: Bool
  ) throws(Errno) -> Bool {
    try checked(
      unsafe request.withUnsafeBytes {
        unsafe hf_answer_init(fuse.rawValue, $0.baseAddress, $0.count, passthrough ? 1 : 0)
      }) == 1
  }

  // MARK: Descriptors

  static func memoryFile(_ name: String) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(unsafe hf_memory_file(name)))
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

  /// Waits until one of them can be read or is closed, at most so many milliseconds (for ever where
  /// that is negative); says which can. `nil` stands for none.
  static func wait(for descriptors: [FileDescriptor?], milliseconds: Int = -1) -> [Bool] {
    var list = descriptors.map {
      pollfd(fd: $0?.rawValue ?? -1, events: Int16(POLLIN), revents: 0)
    }
    unsafe poll(&list, nfds_t(list.count), CInt(clamping: milliseconds))
    return list.map { $0.revents != 0 }
  }

  /// `CLOCK_MONOTONIC`, milliseconds.
  static var now: Int {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
  }

  // MARK: Messages

  static func send(_ message: Message, to socket: FileDescriptor) {
    var byte = message.rawValue
    _ = unsafe Glibc.send(socket.rawValue, &byte, 1, CInt(MSG_NOSIGNAL))
  }

  /// The next message; `nil` where the other side is closed.
  static func receive(from socket: FileDescriptor) -> Message? {
    var byte: UInt8 = 0
    while true {
      let count = unsafe recv(socket.rawValue, &byte, 1, 0)
      if count == 1 { return Message(rawValue: byte) }
      if count == 0 || errno != EINTR { return nil }
    }
  }
}

/// Small files and streams as bytes.
extension FileDescriptor {
  /// One `read(2)` of at most so many bytes.
  func readOnce(_ limit: Int) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: limit)
    let count = unsafe Glibc.read(rawValue, &bytes, limit)
    guard count >= 0 else { throw Errno(rawValue: errno) }
    return Array(bytes.prefix(count))
  }

  /// All that is in a file.
  func contents(from offset: Int = 0) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = unsafe Glibc.pread(rawValue, &bytes, bytes.count, Int(offset))
    guard count >= 0 else { throw Errno(rawValue: errno) }
    return Array(bytes.prefix(count))
  }

  func writeOnce(_ bytes: [UInt8]) throws(Errno) {
    guard unsafe Glibc.write(rawValue, bytes, bytes.count) == bytes.count else {
      throw Errno(rawValue: errno)
    }
  }
}
