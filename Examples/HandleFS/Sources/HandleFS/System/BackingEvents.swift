internal import CHandleFS
internal import HandleStore
internal import SystemPackage

/// What happens on a file system, whoever does it (`fanotify(7)`).
@safe final class BackingEvents {
  /// One event.
  struct Event {
    /// What happened, as `inotify(7)` numbers it.
    let mask: WatchMask
    /// Whether events before this one were lost.
    let isOverflow: Bool
    /// The directory in which it happened, and the name.
    let directory: KernelFileHandle?
    let name: FilePath
    /// The file that it happened to.
    let file: KernelFileHandle?
  }

  private let watch: BackingFile
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)

  /// - Throws: `EPERM` without `CAP_SYS_ADMIN`, `EXDEV` on a btrfs subvolume where the kernel cannot
  ///   watch one.
  init(on file: BackingFile) throws(Errno) {
    watch = BackingFile(try checked(hf_watch(file.number)))
  }

  /// Waits for what happens next.
  func next() throws(Errno) -> [Event] {
    let filled = try checked(unsafe hf_read_events(watch.number, &buffer, buffer.count))
    var events: [Event] = []
    var place = 0
    while place < filled {
      var raw = hf_event()
      place = unsafe hf_event_at(buffer, filled, place, &raw)
      events.append(Event(raw))
    }
    return events
  }
}

extension BackingEvents.Event {
  fileprivate init(_ raw: hf_event) {
    mask = WatchMask(rawValue: raw.mask & 0xfff)
    isOverflow = raw.mask & HF_EVENT_LOST != 0
    directory = KernelFileHandle(raw.directory)
    file = KernelFileHandle(raw.file)
    name = unsafe withUnsafeBytes(of: raw.name) { bytes in
      let bytes = unsafe bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }
      return FilePath(platformString: bytes + [0])
    }
  }
}

extension KernelFileHandle {
  fileprivate init?(_ raw: hf_handle) {
    let bytes = unsafe withUnsafeBytes(of: raw.bytes) { unsafe Array($0.prefix(Int(raw.length))) }
    self.init(type: HandleType(rawValue: raw.type), bytes: bytes)
  }
}
