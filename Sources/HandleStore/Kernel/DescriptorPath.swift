public import SystemPackage

/// The path under which the kernel knows an open file now (`/proc/self/fd/N`, `proc_pid_fd(5)`).
public struct DescriptorPath: Hashable, Sendable {
  /// The path, without what the kernel puts behind that of an unlinked file.
  public let path: FilePath
  /// Whether the name by which the kernel knows the file was removed. The file may have others.
  public let isUnlinked: Bool

  /// Asks the kernel.
  ///
  /// A file that was opened by its handle, and that nobody had looked up by a name since its inode
  /// was read, has no path: then this is `/`.
  ///
  /// - Throws: `EBADF`, `ENAMETOOLONG` where the path has more than 4,096 bytes.
  /// - Complexity: a system call, about 3 µs. Any thread.
  public init(of descriptor: FileDescriptor) throws(Errno) {
    let told = try SystemCalls.path(of: descriptor)
    let mark = " (deleted)"
    let name = told.lastComponent.map { String(decoding: $0) } ?? ""
    // A file may be called so: then it is there.
    isUnlinked = name.hasSuffix(mark) && !Self.leads(told, to: descriptor)
    path = isUnlinked ? Self.removing(mark.utf8.count, from: told) : told
  }

  /// Whether this path leads to the open file, as seen by this process now.
  public func leads(to descriptor: FileDescriptor) -> Bool { Self.leads(path, to: descriptor) }

  /// Whether a path leads to an open file, as seen by this process now.
  ///
  /// No other filesystem than the file's own is waited for: where the path leads through one that has to
  /// ask a FUSE server or another machine, it does not lead to the file.
  ///
  /// - Parameters:
  ///   - path: an absolute path; a last symbolic link is not followed.
  ///   - descriptor: the open file.
  public static func leads(_ path: FilePath, to descriptor: FileDescriptor) -> Bool {
    guard let device = try? SystemCalls.device(of: descriptor),
      let found = try? OwnedDescriptor(open(path, on: device)),
      (try? SystemCalls.device(of: found.descriptor)) == device,
      let there = try? FileStatus(of: found.descriptor),
      let here = try? FileStatus(of: descriptor)
    else { return false }
    return there.inode == here.inode && there.device == here.device
  }

  /// Opens a path as one. What the kernel has in its cache, as the names of a file that is open, nobody is
  /// asked for.
  private static func open(_ path: FilePath, on device: String) throws(Errno) -> FileDescriptor {
    for _ in 0..<3 {
      do throws(Errno) {
        return try SystemCalls.openCached(path)
      } catch {
        guard error == .resourceTemporarilyUnavailable else { break }
      }
    }
    guard try MountTable().answers(path, on: device) else { throw .wouldBlock }
    return try SystemCalls.open(path, flags: SystemCalls.pathOfName)
  }

  private static func removing(_ count: Int, from path: FilePath) -> FilePath {
    let kept: [CChar] = path.bytes.dropLast(count).map { CChar(bitPattern: $0) } + [0]
    return FilePath(platformString: kept)
  }
}

extension FilePath {
  /// The name of an entry of a directory, as a client sent it. Another `FilePath` ends at its first zero
  /// byte, and leaves out what follows.
  ///
  /// - Parameter bytes: one component, byte for byte; it need not be UTF-8.
  /// - Returns: `nil` if there are none, if they are `.` or `..`, or if there is a slash or a zero among
  ///   them.
  public init?(name bytes: some Sequence<UInt8>) {
    let bytes = Array(bytes)
    guard !bytes.contains(0) else { return nil }
    let terminated: [CChar] = bytes.map { CChar(bitPattern: $0) } + [0]
    self.init(platformString: terminated)
    // A slash at the end is no part of a path any more.
    guard length == bytes.count, isOneName else { return nil }
  }

  /// Whether this is one component, which can be the name of an entry of a directory: not empty, not `.`
  /// or `..`, and without a slash.
  var isOneName: Bool {
    let (bytes, dot) = (bytes, UInt8(ascii: "."))
    return !bytes.isEmpty && bytes != [dot] && bytes != [dot, dot]
      && !bytes.contains(UInt8(ascii: "/"))
  }

  func requireOneName() throws(Errno) {
    guard isOneName else { throw .invalidArgument }
  }

  /// An empty path would mean the directory itself to the kernel.
  func requirePath() throws(Errno) {
    guard !isEmpty else { throw .noSuchFileOrDirectory }
  }

  /// The path's bytes as the kernel has them, which need not be UTF-8; without the zero at the end.
  ///
  /// - Complexity: O(bytes)
  public var bytes: [UInt8] {
    unsafe withPlatformString { start in
      (0..<length).map { unsafe UInt8(bitPattern: start[$0]) }
    }
  }
}
