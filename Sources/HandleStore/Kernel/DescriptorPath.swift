public import SystemPackage

/// The kernel's current path of an open file (`/proc/self/fd/N`, `proc_pid_fd(5)`).
public struct DescriptorPath: Hashable, Sendable {
  /// The path, without the ` (deleted)` that the kernel appends if the file was unlinked.
  public let path: FilePath
  /// Whether the name by which the kernel knows the file was removed. The file may have other
  /// names.
  public let isUnlinked: Bool

  /// Asks the kernel for the path of an open file (`readlink(2)`).
  static func read(of descriptor: FileDescriptor) throws(Errno) -> DescriptorPath {
    let told = try SystemCalls.pathBytes(of: descriptor)
    let mark = " (deleted)".utf8
    let whole = FilePath(bytes: told)
    // A file's own name may end in the mark: then its path still leads to it.
    let isUnlinked = told.suffix(mark.count).elementsEqual(mark) && !leads(whole, to: descriptor)
    return DescriptorPath(
      path: isUnlinked ? FilePath(bytes: told.dropLast(mark.count)) : whole,
      isUnlinked: isUnlinked)
  }

  /// Whether this path leads to the open file, as this process sees it now.
  public func leads(to descriptor: FileDescriptor) -> Bool { Self.leads(path, to: descriptor) }

  /// Whether a path leads to an open file, as this process sees it now.
  ///
  /// The call waits for no filesystem but the file's own. If the path crosses another one that
  /// would have to ask a FUSE server or another machine, the result is `false`.
  ///
  /// - Parameters:
  ///   - path: an absolute path; a symbolic link at its end is not followed.
  ///   - descriptor: the open file.
  public static func leads(_ path: FilePath, to descriptor: FileDescriptor) -> Bool {
    guard let device = try? SystemCalls.device(of: descriptor),
      let found = try? OwnedDescriptor(open(path, on: device)),
      (try? SystemCalls.device(of: found.descriptor)) == device,
      let there = try? FullStatus(of: found.descriptor).file,
      let here = try? FullStatus(of: descriptor).file
    else { return false }
    return there.isOfSameFile(as: here)
  }

  /// Opens a path with `O_PATH`. Tries the kernel's cache first, which usually has the path of an
  /// open file; then no filesystem is asked.
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
}

extension FilePath {
  /// Creates the name of a directory entry from the bytes that a client sent. The other
  /// initializers stop at the first zero byte and drop the rest; this one fails.
  ///
  /// - Parameter bytes: one component, byte for byte; it need not be UTF-8.
  /// - Returns: `nil` if `bytes` is empty, is `.` or `..`, or contains a slash or a zero.
  public init?(name bytes: [UInt8]) {
    guard !bytes.contains(0) else { return nil }
    self.init(bytes: bytes)
    // `FilePath` drops a slash at the end, so the lengths differ.
    guard length == bytes.count, isOneName else { return nil }
  }

  /// Creates a path from the bytes that the kernel has for it; they end before the first zero.
  init(bytes: some Sequence<UInt8>) {
    var terminated: [CChar] = []
    terminated.reserveCapacity(bytes.underestimatedCount + 1)
    for byte in bytes { terminated.append(CChar(bitPattern: byte)) }
    terminated.append(0)
    self.init(platformString: terminated)
  }

  /// Whether this path is one component that can name a directory entry: not empty, not `.` or
  /// `..`, and without a slash.
  var isOneName: Bool {
    let (bytes, dot) = (bytes, UInt8(ascii: "."))
    return !bytes.isEmpty && bytes != [dot] && bytes != [dot, dot]
      && !bytes.contains(UInt8(ascii: "/"))
  }

  /// The path's bytes as the kernel has them, without the zero at the end. They need not be UTF-8.
  ///
  /// - Complexity: O(bytes)
  public var bytes: [UInt8] {
    unsafe withPlatformString { start in
      (0..<length).map { unsafe UInt8(bitPattern: start[$0]) }
    }
  }
}
