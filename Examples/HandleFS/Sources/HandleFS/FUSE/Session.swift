internal import CFUSE
internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import HandleLocks
internal import SystemPackage

/// A server's connection to the kernel, through libfuse.
@safe final class Session {
  private let raw: OpaquePointer
  private let box: HandlerBox

  /// Opens a session for a filesystem that is already mounted.
  ///
  /// - Parameters:
  ///   - handler: what serves the requests.
  ///   - notifier: what is connected to the kernel by the session.
  ///   - fuse: the mount's `/dev/fuse`.
  ///   - start: the kernel's first request (FUSE_INIT), which has already been answered.
  init(
    _ handler: any RequestHandler, _ notifier: Notifier, fuse: FileDescriptor, start: [UInt8]
  ) throws(Errno) {
    box = HandlerBox(handler)
    var operations = Operations.table
    let pointer = unsafe Unmanaged.passUnretained(box).toOpaque()
    guard let raw = unsafe hf_session(&operations, pointer, fuse.rawValue) else {
      throw .ioError
    }
    unsafe self.raw = raw
    var start = start
    try checked(
      unsafe start.withUnsafeMutableBytes { unsafe hf_take_init(raw, $0.baseAddress, $0.count) })
    unsafe notifier.connect(raw, fuse)
  }

  /// How serving ended.
  enum End {
    case unmounted
    case stopped
  }

  /// Serves requests in `threads` threads until the filesystem is unmounted or ``stop()`` is
  /// called. Requests that an earlier server left unanswered come first.
  ///
  /// - Parameter rings: the memory of requests that come over io_uring.
  func serve(
    threads: Int, on fuse: FileDescriptor, rings: FileDescriptor
  ) throws(Errno) -> End {
    try checked(hf_resend(fuse.rawValue))
    let pointer = unsafe Unmanaged.passUnretained(box).toOpaque()
    var handlers = Operations.others
    let result = unsafe hf_serve(raw, CInt(threads), rings.rawValue, &handlers, pointer)
    return try checked(result) == 0 ? .unmounted : .stopped
  }

  /// Ends the serving of all sessions of this process, after the requests under way are answered. Any
  /// thread.
  static func stop() { hf_stop() }
}

/// Sends the kernel notifications. Any thread.
@safe final class Notifier: @unchecked Sendable {
  private let notices: FileDescriptor
  private let session = Locked<UInt>(0)
  private let fuse = Locked<CInt>(-1)

  /// - Parameter notices: a socket to the supervisor, which passes on what comes to the kernel.
  init(notices: FileDescriptor) { self.notices = notices }

  func connect(_ session: OpaquePointer, _ fuse: FileDescriptor) {
    self.session.withLock { $0 = UInt(bitPattern: session) }
    self.fuse.withLock { $0 = fuse.rawValue }
  }

  /// Has the kernel ask for a node's attributes before it uses them again. It ignores those in replies to
  /// requests that it has sent before. If it is dropping the node at the moment, the call waits until that
  /// is done.
  ///
  /// - Returns: whether the kernel knows the node.
  func invalidate(_ node: UInt64) -> Bool {
    let session = session.withLock { $0 }
    guard let session = unsafe OpaquePointer(bitPattern: session) else { return true }
    // Offset -1 invalidates the attributes only. The cached pages stay: they belong to the old
    // file.
    return unsafe fuse_lowlevel_notify_inval_inode(session, node, -1, 0) != -ENOENT
  }

  /// Has the kernel forget a name in a directory.
  ///
  /// The kernel waits until the requests for names in that directory that are under way are answered,
  /// and nothing interrupts that. If this process waited there and were killed, it could not end, and no
  /// other could answer the requests. So the supervisor does it.
  func forget(_ name: FilePath, in directory: UInt64) { send(name, directory, expires: false) }

  /// Has the kernel look up a name in a directory again before it uses it. A name that leads to the
  /// same file as before stays the name of that file all the time.
  func expire(_ name: FilePath, in directory: UInt64) { send(name, directory, expires: true) }

  private func send(_ name: FilePath, _ directory: UInt64, expires: Bool) {
    unsafe name.withPlatformString {
      _ = unsafe hf_send_forget(notices.rawValue, directory, $0, expires ? 1 : 0)
    }
  }

  /// Has the kernel look up each name again before it uses it (Linux 6.16).
  func expireNames() { _ = hf_expire_names(fuse.withLock { $0 }) }

  /// Whether the kernel knows a node. If the kernel is dropping the node at the moment, the call waits
  /// until that is done.
  func isKnown(_ node: UInt64) -> Bool { hf_is_known(fuse.withLock { $0 }, node) == 1 }

  /// Asks the kernel to drop nodes that nothing uses (FUSE_NOTIFY_PRUNE of Linux 6.18; earlier
  /// kernels do it in their own time).
  func prune(_ nodes: [UInt64]) {
    let fuse = fuse.withLock { $0 }
    var rest = nodes[...]
    while !rest.isEmpty {
      let some = Array(rest.prefix(Self.mostPruned))
      unsafe hf_prune(fuse, some, some.count)
      rest = rest.dropFirst(some.count)
    }
  }

  private static let mostPruned = 512

  /// Whether the kernel can be asked to drop nodes.
  var canPrune: Bool { unsafe hf_prune(fuse.withLock { $0 }, [], 0) >= 0 }

  /// Whether a thread is one of this process and serves no other connection.
  func isOwn(_ thread: Int32) -> Bool {
    let session = session.withLock { $0 }
    guard let session = unsafe OpaquePointer(bitPattern: session) else { return false }
    return unsafe hf_works_for(session, thread) == 1
  }
}
