internal import HandleLocks
public import SystemPackage

/// Keeps files that are needed although they have lost their last name: another process, which has
/// the ``ParkedFiles``, holds descriptors of them. After this process was killed, the files can
/// still be opened by their handles, for as long as the other process lives.
///
/// Park a file before you remove its last name. The other process gets a file that was sent even if
/// the sender is killed at once. Any thread.
public final class Parking: Sendable {
  private let socket: Locked<FileDescriptor>

  /// Parks files in the process at the other end of a socket.
  ///
  /// - Parameter socket: the peer of the socket from which ``ParkedFiles`` receives. It stays the
  ///   caller's, to close.
  public init(socket: FileDescriptor) { self.socket = Locked(socket) }

  /// Parks in another process from now on, because the former one has ended. The files have to be
  /// parked again.
  ///
  /// - Parameter socket: as for ``init(socket:)``.
  public func move(to socket: FileDescriptor) { self.socket.withLock { $0 = socket } }

  /// Returns two connected sockets: one for a ``Parking``, one for its ``ParkedFiles``.
  ///
  /// - Throws: ``StoreError/tooManyOpenFiles``.
  public static func makeSockets() throws(StoreError) -> SocketPair {
    do throws(Errno) {
      let (mine, its) = try SystemCalls.socketPair()
      return SocketPair(mine: mine, its: its)
    } catch {
      throw StoreError(error, "making two connected sockets")
    }
  }

  /// Parks a node's file, in place of the file that is parked for the node.
  ///
  /// - Parameters:
  ///   - file: the file, open; `O_PATH` too. It stays the caller's.
  ///   - node: the file's node.
  /// - Throws: ``StoreError/system(_:_:)`` with `EBADF`, with `EPIPE` or `ECONNRESET` if the other
  ///   process is gone, with `ETOOMANYREFS` if too many descriptors are in flight.
  /// - Complexity: a system call. It waits if the other process does not keep up; signals do not
  ///   end the wait.
  public func park(_ file: FileDescriptor, of node: NodeID) throws(StoreError) {
    do throws(Errno) {
      // Without a descriptor the message would be sent, and nothing parked.
      guard file.rawValue >= 0 else { throw .badFileDescriptor }
      try send(ParkedFiles.park, of: node, with: file)
    } catch {
      throw StoreError(error, "parking the file of node \(node)")
    }
  }

  /// Releases a node's file, if one is parked.
  ///
  /// - Parameter node: the file's node.
  /// - Throws: ``StoreError/system(_:_:)`` with `EPIPE` or `ECONNRESET`.
  /// - Complexity: a system call.
  public func release(_ node: NodeID) throws(StoreError) {
    do throws(Errno) {
      try send(ParkedFiles.release, of: node, with: nil)
    } catch {
      throw StoreError(error, "releasing the parked file of node \(node)")
    }
  }

  /// Takes back the files that earlier processes have parked in the process at the other end of the
  /// socket, which keeps them too. Call this before anything else: the other side must be in
  /// ``ParkedFiles/receive(from:)``.
  ///
  /// - Returns: the files, which the caller must close, by node.
  /// - Throws: ``StoreError/tooManyOpenFiles``, ``StoreError/system(_:_:)`` with `EPIPE` or
  ///   `ECONNRESET`.
  /// - Complexity: O(parked files): two system calls for each.
  public func takeBack() throws(StoreError) -> [NodeID: FileDescriptor] {
    do throws(Errno) {
      return try socket.withLock { (socket) throws(Errno) in
        try SystemCalls.send(ParkedFiles.giveBack, 0, with: nil, to: socket)
        return try Self.receiveAll(from: socket)
      }
    } catch {
      throw StoreError(error, "taking back the parked files")
    }
  }

  private static func receiveAll(
    from socket: FileDescriptor
  ) throws(Errno) -> [NodeID: FileDescriptor] {
    var files: [NodeID: OwnedDescriptor] = [:]
    while true {
      guard let message = try SystemCalls.receive(from: socket) else { throw .brokenPipe }
      guard message.first == ParkedFiles.park else { return files.mapValues { $0.release() } }
      files[NodeID(rawValue: message.second)] = message.descriptor
    }
  }

  private func send(
    _ message: UInt64, of node: NodeID, with file: FileDescriptor?
  ) throws(Errno) {
    try socket.withLock { (socket) throws(Errno) in
      try SystemCalls.send(message, node.rawValue, with: file, to: socket)
    }
  }
}

/// The files that another process has parked in this one (see ``Parking``). They stay open until
/// they are released, or until this object is gone. Any thread; but only if one thread at a time
/// receives from a socket, its messages are carried out in their order. A later process that parks
/// here gets them by ``Parking/takeBack()``.
public final class ParkedFiles: Sendable {
  static let park: UInt64 = 1
  static let release: UInt64 = 2
  static let giveBack: UInt64 = 3

  fileprivate let files = Locked<[NodeID: OwnedDescriptor]>([:])

  /// Creates an empty set of parked files.
  public init() {}

  /// Waits for the next message from a socket, and carries it out.
  ///
  /// - Returns: whether there was a message; `false` if the other side is closed.
  /// - Throws: ``StoreError/system(_:_:)`` with `EBADMSG` for a message that no ``Parking`` sends,
  ///   and skips it; with the errors of `recvmsg(2)`. Signals do not end the wait.
  public func receive(from socket: FileDescriptor) throws(StoreError) -> Bool {
    do throws(Errno) {
      guard let message = try Self.next(from: socket) else { return false }
      let node = NodeID(rawValue: message.second)
      switch message.first {
      case Self.park where message.descriptor != nil:
        files.withLock { $0[node] = message.descriptor }
      case Self.release: files.withLock { $0[node] = nil }
      case Self.giveBack: try giveBack(to: socket)
      default: break
      }
      return true
    } catch {
      throw StoreError(error, "receiving a parked file")
    }
  }
}

extension ParkedFiles {
  fileprivate static func next(
    from socket: FileDescriptor
  ) throws(Errno) -> (first: UInt64, second: UInt64, descriptor: OwnedDescriptor?)? {
    do throws(Errno) {
      return try SystemCalls.receive(from: socket)
    } catch .connectionReset {
      // The process has ended before it had taken back all files. What it had sent is still there.
      return try SystemCalls.receive(from: socket)
    }
  }

  /// How many files are parked.
  public var count: Int { files.withLock { $0.count } }

  /// Sends all files, and then a message without a file.
  fileprivate func giveBack(to socket: FileDescriptor) throws(Errno) {
    do throws(Errno) {
      for (node, file) in files.withLock({ $0 }) {
        try SystemCalls.send(Self.park, node.rawValue, with: file.descriptor, to: socket)
      }
      try SystemCalls.send(Self.release, 0, with: nil, to: socket)
    } catch .brokenPipe {
      // The process that asked has ended; the next one asks again.
    } catch .connectionReset {
    }
  }
}

/// Two connected sockets, `SOCK_SEQPACKET` with `O_CLOEXEC`. The caller closes them.
public struct SocketPair: Sendable {
  /// The end that this process keeps.
  public let mine: FileDescriptor
  /// The end for the other process.
  public let its: FileDescriptor
}
