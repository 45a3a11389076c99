internal import CHandleFS
internal import Glibc
internal import SystemPackage

/// Sockets between processes, and the messages on them.
extension Processes {
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

  static func listen(on path: String) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(unsafe hf_listen(path)))
  }

  static func accept(_ listener: FileDescriptor) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(hf_accept(listener.rawValue)))
  }

  static func connect(to path: String) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(unsafe hf_connect(path)))
  }

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
