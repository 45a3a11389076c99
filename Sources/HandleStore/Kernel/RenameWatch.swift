internal import CHandleSys
internal import SystemPackage

/// Reports the files of a filesystem that a process moved to another directory, or that may have
/// lost a name (`fanotify(7)`: `FAN_RENAME` and `FAN_ATTRIB` with `FAN_REPORT_TARGET_FID`, Linux
/// 5.17).
///
/// An event is in the queue before the call that caused it returns.
struct RenameWatch: Sendable {
  enum Event {
    /// A file's names may have changed.
    case file(KernelFileHandle)
    /// Any file may have moved: a directory went to another parent with everything below it, events
    /// were lost, or an event did not name its file.
    case anything
  }

  private let queue: OwnedDescriptor
  private var buffer = [UInt8](repeating: 0, count: 16 << 10)
  private var filled = 0
  private var at = 0

  /// Starts to watch the filesystem that a file is on.
  ///
  /// - Throws: `EPERM` without `CAP_SYS_ADMIN`, `EINVAL` or `ENOSYS` before Linux 5.17, `ENODEV`
  ///   and `EXDEV` if the filesystem cannot be watched by handles.
  init(filesystemOf descriptor: FileDescriptor) throws(Errno) {
    queue = OwnedDescriptor(FileDescriptor(rawValue: try checked(hsys_watch_open())))
    try checked(hsys_watch_filesystem(queue.descriptor.rawValue, descriptor.rawValue))
  }

  /// Returns the next event, or `nil` if there is none. Usually there is none, and the call costs
  /// one system call.
  mutating func next() throws(Errno) -> Event? {
    while true {
      while at < filled {
        if let event = Self.event(FilesystemEvent(buffer, filled: filled, at: &at)) { return event }
      }
      guard try checked(hsys_watch_pending(queue.descriptor.rawValue)) > 0 else { return nil }
      (at, filled) = (0, 0)
      do throws(Errno) {
        filled = Int(
          try retried { unsafe hsys_read(queue.descriptor.rawValue, &buffer, buffer.count) })
      } catch .wouldBlock {
        return nil
      }
    }
  }

  /// Returns what an event of the kernel means, or `nil` if it does not matter.
  private static func event(_ event: FilesystemEvent) -> Event? {
    if event.isLoss { return .anything }
    let isMove = event.mask & UInt64(HS_WATCH_MOVED) != 0
    let stays = isMove && event.oldDirectory != nil && event.oldDirectory == event.newDirectory
    if event.mask & UInt64(HS_WATCH_DIRECTORY) != 0 { return isMove && !stays ? .anything : nil }
    if stays && event.mask & UInt64(HS_WATCH_ATTRIBUTE) == 0 { return nil }
    return event.file.map { .file($0) } ?? .anything
  }
}
