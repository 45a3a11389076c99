internal import CFUSE
internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import Synchronization
internal import SystemPackage

/// A server's connection to the kernel, through libfuse.
@safe final class Session {
  private let raw: OpaquePointer
  private let server: Server

  /// A session of a file system that is mounted already.
  ///
  /// - Parameters:
  ///   - fuse: its `/dev/fuse`.
  ///   - start: the request with which the kernel began (FUSE_INIT), and which has been answered.
  init(_ server: Server, fuse: FileDescriptor, start: [UInt8]) throws(Errno) {
    self.server = server
    var operations = Operations.table
    let pointer = unsafe Unmanaged.passUnretained(server).toOpaque()
    guard let raw = unsafe hf_session(&operations, pointer, fuse.rawValue) else {
      throw .ioError
    }
    unsafe self.raw = raw
    var start = start
    try checked(
      unsafe start.withUnsafeMutableBytes { unsafe hf_take_init(raw, $0.baseAddress, $0.count) })
    unsafe server.notifier.connect(raw, fuse)
  }

  /// How serving ended.
  enum End {
    case unmounted
    case stopped
  }

  /// Serves in so many threads until the file system is unmounted or ``stop()`` is called. Requests
  /// that a server before this one has left come first.
  func serve(threads: Int, on fuse: FileDescriptor) throws(Errno) -> End {
    try checked(hf_resend(fuse.rawValue))
    let pointer = unsafe Unmanaged.passUnretained(server).toOpaque()
    let result = unsafe hf_serve(raw, CInt(threads), Operations.unknown, pointer)
    return try checked(result) == 0 ? .unmounted : .stopped
  }

  /// Ends serving, once the requests under way are answered. Any thread.
  static func stop() { hf_stop() }
}

/// Tells the kernel what it does not know by itself. Any thread.
@safe final class Notifier: @unchecked Sendable {
  private let session = Mutex<UInt>(0)
  private let fuse = Mutex<CInt>(-1)

  func connect(_ session: OpaquePointer, _ fuse: FileDescriptor) {
    self.session.withLock { $0 = UInt(bitPattern: session) }
    self.fuse.withLock { $0 = fuse.rawValue }
  }

  /// What the kernel remembers of a node's attributes is not true any more.
  func invalidate(_ node: UInt64) { _ = notify(of: node) }

  /// Whether the kernel knows a node. It forgets its attributes by that; where it is just dropping the node,
  /// this waits for that.
  func isKnown(_ node: UInt64) -> Bool { notify(of: node) != -ENOENT }

  /// The kernel drops what it knows of nodes, unless somebody uses them (FUSE_NOTIFY_PRUNE of Linux 6.18; else
  /// it does so in its own time).
  func prune(_ nodes: [UInt64]) {
    guard !nodes.isEmpty else { return }
    unsafe hf_prune(fuse.withLock { $0 }, nodes, nodes.count)
  }

  private func notify(of node: UInt64) -> CInt {
    let session = session.withLock { $0 }
    guard let session = unsafe OpaquePointer(bitPattern: session) else { return 0 }
    // From -1 on: the attributes only. The pages are those of the old file.
    return unsafe fuse_lowlevel_notify_inval_inode(session, node, -1, 0)
  }
}
