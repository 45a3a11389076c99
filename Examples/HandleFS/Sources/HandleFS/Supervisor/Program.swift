internal import SystemPackage

/// A program that a supervisor starts.
final class Program {
  /// The path by which it was named, which its processes have as their first argument.
  let path: FilePath
  /// The file itself, if its path is not known to lead there; `nil` if the path is what counts.
  private let file: FileDescriptor?

  init(_ path: FilePath) { (self.path, file) = (path, nil) }

  /// The program that a process runs (`/proc/PID/exe`), even if another file has its path by now.
  init(of process: Int32, startedFrom path: FilePath) {
    self.path = path
    file = try? FileDescriptor.open(
      FilePath("/proc/\(process)/exe"), .readOnly, options: .closeOnExec)
  }

  /// Which file has the path.
  struct Identity: Equatable {
    let device, inode: UInt
    let changed: Int
  }

  /// Which file has the path; `nil` if there is none, or if the path does not count.
  var identity: Identity? {
    guard file == nil, let status = try? BackingFile(opening: path).status else { return nil }
    return Identity(device: status.st_dev, inode: status.st_ino, changed: status.st_ctim.tv_sec)
  }

  deinit { try? file?.close() }

  /// Starts it (``Processes/spawn(_:named:arguments:descriptors:newSession:)``).
  func spawn(arguments: [String], descriptors: [FileDescriptor]) throws(Errno) -> Int32 {
    let place = file.map { FilePath("/proc/\(Processes.id)/fd/\($0.rawValue)") }
    return try Processes.spawn(
      place ?? path, named: path, arguments: arguments, descriptors: descriptors)
  }
}
