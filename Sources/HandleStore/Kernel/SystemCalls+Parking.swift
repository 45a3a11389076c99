internal import CHandleSys
internal import Glibc
internal import SystemPackage

extension SystemCalls {
  /// Returns another descriptor of the same open file description (`F_DUPFD_CLOEXEC`).
  static func duplicate(_ descriptor: FileDescriptor) throws(Errno) -> FileDescriptor {
    let fd = fcntl(descriptor.rawValue, F_DUPFD_CLOEXEC, 0)
    guard fd >= 0 else { throw Errno(rawValue: errno) }
    return FileDescriptor(rawValue: fd)
  }

  /// Returns a descriptor of an open file that is only a path (`O_PATH`).
  static func asPath(_ file: FileDescriptor) throws(Errno) -> FileDescriptor {
    let flags = fcntl(file.rawValue, F_GETFL)
    guard flags >= 0 else { throw Errno(rawValue: errno) }
    if flags & path != 0 { return try duplicate(file) }
    return try open(FilePath("/proc/self/fd/\(file.rawValue)"), flags: path)
  }

  /// Makes the kernel keep a regular file open, and returns the number, greater than 0, by which
  /// the kernel knows it (`FUSE_DEV_IOC_BACKING_OPEN`).
  static func openBacking(
    _ file: FileDescriptor, on fuse: FileDescriptor
  ) throws(Errno) -> UInt32 {
    var id: UInt32 = 0
    try checked(unsafe hsys_backing_open(fuse.rawValue, file.rawValue, &id))
    return id
  }

  /// Ends ``openBacking(_:on:)`` (`FUSE_DEV_IOC_BACKING_CLOSE`). Errors are ignored: no caller
  /// could act on them.
  static func closeBacking(_ id: UInt32, on fuse: FileDescriptor) {
    _ = hsys_backing_close(fuse.rawValue, id)
  }

  /// Makes a pair of connected sockets (`socketpair(2)`, `SOCK_SEQPACKET`).
  static func socketPair() throws(Errno) -> (FileDescriptor, FileDescriptor) {
    var sockets: [CInt] = [-1, -1]
    try checked(unsafe hsys_socket_pair(&sockets))
    return (FileDescriptor(rawValue: sockets[0]), FileDescriptor(rawValue: sockets[1]))
  }

  /// Sends two words, with a descriptor (`SCM_RIGHTS`) or without (`sendmsg(2)`).
  static func send(
    _ first: UInt64, _ second: UInt64, with descriptor: FileDescriptor?, to socket: FileDescriptor
  ) throws(Errno) {
    let words = [first, second]
    try retried {
      unsafe hsys_send_descriptor(socket.rawValue, words, descriptor?.rawValue ?? -1)
    }
  }

  /// Receives what ``send(_:_:with:to:)`` sent (`recvmsg(2)`), or `nil` if the other side is closed.
  static func receive(
    from socket: FileDescriptor
  ) throws(Errno) -> (first: UInt64, second: UInt64, descriptor: OwnedDescriptor?)? {
    var words: [UInt64] = [0, 0]
    var fd: CInt = -1
    let received = try retried {
      unsafe hsys_receive_descriptor(socket.rawValue, &words, &fd)
    }
    guard received > 0 else { return nil }
    let descriptor = fd < 0 ? nil : OwnedDescriptor(FileDescriptor(rawValue: fd))
    return (words[0], words[1], descriptor)
  }
}
