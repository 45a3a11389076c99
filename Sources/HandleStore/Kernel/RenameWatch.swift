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
    queue = OwnedDescriptor(FileDescriptor(rawValue: try checked(hs_watch_open())))
    try checked(hs_watch_filesystem(queue.descriptor.rawValue, descriptor.rawValue))
  }

  /// Returns the next event, or `nil` if there is none. Usually there is none, and the call costs
  /// one system call.
  mutating func next() throws(Errno) -> Event? {
    while true {
      while at < filled {
        let length = Int(word32(at))
        defer { at += length }
        if let event = event(at..<(at + length)) { return event }
      }
      guard try checked(hs_watch_pending(queue.descriptor.rawValue)) > 0 else { return nil }
      (at, filled) = (0, 0)
      do throws(Errno) {
        filled = Int(
          try retried { unsafe hs_read(queue.descriptor.rawValue, &buffer, buffer.count) })
      } catch .wouldBlock {
        return nil
      }
    }
  }

  /// Returns what a `struct fanotify_event_metadata` and its records mean, or `nil` if the event
  /// does not matter.
  private func event(_ range: Range<Int>) -> Event? {
    let mask = word32(range.lowerBound + 8)
    if mask & HS_WATCH_LOST != 0 { return .anything }
    let records = Records(range, self)
    let stays = mask & HS_WATCH_MOVED != 0 && records.old != nil && records.old == records.new
    if mask & HS_WATCH_DIRECTORY != 0 {
      return mask & HS_WATCH_MOVED != 0 && !stays ? .anything : nil
    }
    if stays && mask & HS_WATCH_ATTRIBUTE == 0 { return nil }
    return records.target.map { .file($0) } ?? .anything
  }

  /// The handles in an event's records.
  private struct Records {
    /// The directories that a file was renamed from and to.
    var old, new: KernelFileHandle?
    /// The file itself.
    var target: KernelFileHandle?

    init(_ event: Range<Int>, _ watch: borrowing RenameWatch) {
      var at = event.lowerBound + 24
      while at + 20 <= event.upperBound {
        let length = Int(watch.buffer[at + 2]) | Int(watch.buffer[at + 3]) << 8
        switch watch.buffer[at] {
        case 1: target = watch.handle(at + 12)  // FAN_EVENT_INFO_TYPE_FID
        case 10: old = watch.handle(at + 12)  // …_OLD_DFID_NAME
        case 12: new = watch.handle(at + 12)  // …_NEW_DFID_NAME
        default: break
        }
        at += max(length, 20)
      }
    }
  }

  /// Reads the `struct file_handle` at an offset.
  private func handle(_ at: Int) -> KernelFileHandle? {
    let length = Int(word32(at))
    guard at + 8 + length <= buffer.count else { return nil }
    return KernelFileHandle(
      type: HandleType(rawValue: Int32(bitPattern: word32(at + 4))),
      bytes: Array(buffer[(at + 8)..<(at + 8 + length)]))
  }

  private func word32(_ at: Int) -> UInt32 {
    UInt32(buffer[at]) | UInt32(buffer[at + 1]) << 8 | UInt32(buffer[at + 2]) << 16
      | UInt32(buffer[at + 3]) << 24
  }
}
