internal import CHandleFS
internal import HandleStore
internal import SystemPackage

/// Reports what happens on a file system, whichever process does it (`fanotify(7)`).
@safe final class BackingEvents {
  struct Event {
    /// What happened, with the bits of `inotify(7)`.
    let mask: WatchMask
    /// Whether events before this one were lost.
    let isOverflow: Bool
    /// The directory in which it happened, and the name in that directory.
    let directory: KernelFileHandle?
    let name: FilePath
    /// The file that it happened to.
    let file: KernelFileHandle?
  }

  private let watch: BackingFile
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)

  /// Watches the whole file system that a file is on.
  ///
  /// - Throws: `EPERM` without `CAP_SYS_ADMIN`, `EXDEV` on a btrfs subvolume if the kernel cannot
  ///   watch one.
  init(on file: BackingFile) throws(Errno) {
    watch = BackingFile(try checked(hf_watch(file.number)))
  }

  /// Waits for the next events and returns them.
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
