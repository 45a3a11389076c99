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

  private static func leads(_ path: FilePath, to descriptor: FileDescriptor) -> Bool {
    guard
      let found = try? OwnedDescriptor(SystemCalls.open(path, flags: SystemCalls.pathOfName)),
      let there = try? FileStatus(of: found.descriptor),
      let here = try? FileStatus(of: descriptor)
    else { return false }
    return there.inode == here.inode && there.device == here.device
  }

  private static func removing(_ count: Int, from path: FilePath) -> FilePath {
    let kept: [CChar] = path.bytes.dropLast(count).map { CChar(bitPattern: $0) } + [0]
    return FilePath(platformString: kept)
  }
}

extension FilePath {
  /// The path's bytes as the kernel has them, which need not be UTF-8; without the zero at the end.
  ///
  /// - Complexity: O(bytes)
  public var bytes: [UInt8] {
    unsafe withPlatformString { start in
      (0..<length).map { unsafe UInt8(bitPattern: start[$0]) }
    }
  }
}
