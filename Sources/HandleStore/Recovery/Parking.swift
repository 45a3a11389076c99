internal import Synchronization
public import SystemPackage

/// Keeps files that have lost their last name, and are needed nevertheless, by descriptors in another
/// process: so they can be opened by their handles after this one was killed, for as long as that one
/// lives. That one has the ``ParkedFiles``.
///
/// A file is parked before its last name is removed. What is sent is kept even where the sender is
/// killed at once. Any thread.
public final class Parking: Sendable {
  private let socket: Mutex<FileDescriptor>

  /// - Parameter socket: the other end of that of the ``ParkedFiles``; the caller's to close.
  public init(socket: FileDescriptor) { self.socket = Mutex(socket) }

  /// Parks in another process from here on, because the former one has ended: its files have to be
  /// parked again.
  ///
  /// - Parameter socket: as for ``init(socket:)``.
  public func move(to socket: FileDescriptor) { self.socket.withLock { $0 = socket } }

  /// Two connected sockets, `SOCK_SEQPACKET` with `O_CLOEXEC`: one for a ``Parking``, one for its
  /// ``ParkedFiles``.
  ///
  /// - Throws: `EMFILE`, `ENFILE`.
  public static func makeSockets() throws(Errno) -> (FileDescriptor, FileDescriptor) {
    try SystemCalls.socketPair()
  }

  /// Parks a node's file; in place of the one that is parked for the node.
  ///
  /// - Parameters:
  ///   - file: the file, open; `O_PATH` too. It stays the caller's.
  ///   - node: the file's node.
  /// - Throws: `EPIPE` where the other process is gone, `ETOOMANYREFS` where too many descriptors are
  ///   on their way.
  /// - Complexity: a system call; it waits where the other process does not keep up, whatever signals come.
  public func park(_ file: FileDescriptor, of node: NodeID) throws(Errno) {
    try send(ParkedFiles.park, node, file)
  }

  /// Lets go of a node's file, where one is parked.
  ///
  /// - Parameter node: the file's node.
  /// - Throws: `EPIPE`.
  /// - Complexity: a system call.
  public func release(_ node: NodeID) throws(Errno) {
    try send(ParkedFiles.release, node, nil)
  }

  private func send(
    _ message: UInt64, _ node: NodeID, _ file: FileDescriptor?
  ) throws(Errno) {
    try socket.withLock { (socket) throws(Errno) in
      try SystemCalls.send(message, node.rawValue, file, to: socket)
    }
  }
}

/// The files that another process has parked in this one (``Parking``). One thread at a time.
public struct ParkedFiles: ~Copyable {
  static let park: UInt64 = 1
  static let release: UInt64 = 2

  private var files: [NodeID: OwnedDescriptor] = [:]

  /// None.
  public init() {}

  /// How many there are.
  public var count: Int { files.count }

  /// Takes the next message from a socket, and waits for it.
  ///
  /// - Returns: whether there was one: not where the other side is closed.
  /// - Throws: `EBADMSG` for a message that no ``Parking`` sends, which is passed over; what `recvmsg(2)`
  ///   gives. A signal does not end it.
  public mutating func receive(from socket: FileDescriptor) throws(Errno) -> Bool {
    guard let message = try SystemCalls.receive(from: socket) else { return false }
    let node = NodeID(rawValue: message.second)
    switch message.first {
    case Self.park: files[node] = message.descriptor ?? files[node]
    case Self.release: files[node] = nil
    default: break
    }
    return true
  }
}
