internal import CHandleSys
internal import SystemPackage

/// Tells which files of a filesystem were given another place or lost a name, whoever did it
/// (`fanotify(7)`: `FAN_RENAME` and `FAN_ATTRIB` with `FAN_REPORT_TARGET_FID`, Linux 5.17).
///
/// An event is in the queue before the call that caused it returns to its caller.
struct RenameWatch: Sendable {
  enum Event {
    /// A file's names are not what they were.
    case file(KernelFileHandle)
    /// A directory went to another one with all that is below it, or events were lost.
    case anything
  }

  private let queue: OwnedDescriptor
  private var buffer = [UInt8](repeating: 0, count: 16 << 10)

  /// Watches the filesystem that a file is on.
  ///
  /// - Throws: `EPERM` without `CAP_SYS_ADMIN`, `EINVAL` or `ENOSYS` before Linux 5.17, `ENODEV` and
  ///   `EXDEV` where the filesystem cannot be watched by handles.
  init(filesystemOf descriptor: FileDescriptor) throws(Errno) {
    queue = OwnedDescriptor(FileDescriptor(rawValue: try checked(hs_watch_open())))
    try checked(hs_watch_filesystem(queue.descriptor.rawValue, descriptor.rawValue))
  }

  /// Takes all events out of the queue; most often there are none, and this is one system call.
  mutating func drain(_ body: (Event) -> Void) throws(Errno) {
    while true {
      let filled: Int
      do throws(Errno) {
        filled = Int(
          try checked(unsafe hs_read(queue.descriptor.rawValue, &buffer, buffer.count)))
      } catch .wouldBlock {
        return
      }
      var at = 0
      while at + 24 <= filled {
        let length = Int(word32(at))
        event(at..<(at + length), body)
        at += length
      }
    }
  }

  /// A `struct fanotify_event_metadata` with its records.
  private func event(_ range: Range<Int>, _ body: (Event) -> Void) {
    let mask = word32(range.lowerBound + 8)
    if mask & HS_WATCH_LOST != 0 { return body(.anything) }
    var old: KernelFileHandle?
    var new: KernelFileHandle?
    var target: KernelFileHandle?
    var at = range.lowerBound + 24
    while at + 20 <= range.upperBound {
      let length = Int(buffer[at + 2]) | Int(buffer[at + 3]) << 8
      switch buffer[at] {
      case 1: target = handle(at + 12)  // FAN_EVENT_INFO_TYPE_FID
      case 10: old = handle(at + 12)  // …_OLD_DFID_NAME
      case 12: new = handle(at + 12)  // …_NEW_DFID_NAME
      default: break
      }
      at += max(length, 20)
    }
    let staysInPlace = mask & HS_WATCH_MOVED != 0 && old != nil && old == new
    if mask & HS_WATCH_DIRECTORY != 0 {
      if mask & HS_WATCH_MOVED != 0 && !staysInPlace { body(.anything) }
    } else if !staysInPlace || mask & HS_WATCH_ATTRIBUTE != 0 {
      body(target.map { .file($0) } ?? .anything)
    }
  }

  /// A `struct file_handle`.
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
