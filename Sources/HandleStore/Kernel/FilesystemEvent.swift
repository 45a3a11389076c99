public import SystemPackage

/// An event of `fanotify(7)` on a filesystem that is watched by file handles (`FAN_REPORT_FID` and
/// the flags that add to it).
///
/// A server that reports changes to its clients opens the queue itself (`fanotify_init(2)`,
/// `fanotify_mark(2)`), so that it chooses the events and how to wait for them. It parses here what
/// it reads.
public struct FilesystemEvent: Sendable {
  /// What happened: the bits `FAN_…` of `<linux/fanotify.h>`. The lowest 12 bits mean the same as in
  /// `inotify(7)` and in ``WatchMask``.
  public let mask: UInt64
  /// The process that did it, or its thread if the group was made with `FAN_REPORT_TID`; 0 if that has no
  /// number here, as one outside this PID namespace.
  /// For a program in the kernel's service, such as a write through `FUSE_PASSTHROUGH`, this is the
  /// program that asked for it.
  public let process: Int32
  /// The file that it happened to, if the event names it.
  public private(set) var file: KernelFileHandle?
  /// The directory in which it happened, if the event names it.
  public private(set) var directory: KernelFileHandle?
  /// The directories that a file was renamed from and to (`FAN_RENAME`).
  private(set) var oldDirectory, newDirectory: KernelFileHandle?
  private var nameBytes: ArraySlice<UInt8> = []

  /// The name in ``directory``, byte for byte; `.` if the event happened to the directory itself, and
  /// empty if the event has no name.
  public var name: FilePath { FilePath(bytes: nameBytes) }

  /// Whether events were lost: the queue overflowed (`FAN_Q_OVERFLOW`), or the rest of the bytes
  /// cannot be parsed. Any file may have changed.
  public var isLoss: Bool { mask & Self.lost != 0 }

  private static let lost: UInt64 = 0x4000

  /// Parses all events that one `read(2)` returned.
  ///
  /// - Parameter bytes: what was read, and nothing else.
  /// - Returns: the events, in their order. An event with impossible lengths is the last one, and its
  ///   ``isLoss`` is true.
  /// - Complexity: O(bytes)
  public static func all(in bytes: [UInt8]) -> [FilesystemEvent] {
    var events: [FilesystemEvent] = []
    var at = 0
    while at < bytes.count { events.append(FilesystemEvent(bytes, filled: bytes.count, at: &at)) }
    return events
  }
}

// MARK: The layout

extension FilesystemEvent {
  /// The sizes of `struct fanotify_event_metadata`, of `struct fanotify_event_info_header`, and of a
  /// record before the bytes of its handle: header, `fsid`, and the head of `struct file_handle`.
  private static let metadataSize = 24
  private static let headerSize = 4
  private static let recordHead = 20

  /// Parses one event in a buffer.
  ///
  /// - Parameters:
  ///   - filled: how many bytes of the buffer were read.
  ///   - place: the event's offset. Becomes the offset of the next event, or `filled` if there is none
  ///     or its offset is unknown.
  init(_ buffer: [UInt8], filled: Int, at place: inout Int) {
    let start = place
    place = filled
    guard filled - start >= Self.metadataSize else {
      self.init(mask: Self.lost)
      return
    }
    let (length, metadata) = (buffer.uint32(at: start), buffer.uint16(at: start + 6))
    guard length <= filled - start, metadata >= Self.metadataSize, metadata <= length else {
      self.init(mask: Self.lost)
      return
    }
    place = start + length
    self.init(
      mask: buffer.uint64(at: start + 8),
      process: Int32(truncatingIfNeeded: buffer.uint32(at: start + 20)))
    var at = start + metadata
    while place - at >= Self.headerSize {
      let size = buffer.uint16(at: at + 2)
      guard size >= Self.headerSize, size <= place - at else { break }
      take(buffer, record: at..<(at + size))
      at += size
    }
  }

  private init(mask: UInt64, process: Int32 = 0) {
    self.mask = mask
    self.process = process
  }

  /// Stores what an information record says. Skips records of other types, and those that are too
  /// short.
  private mutating func take(_ buffer: [UInt8], record: Range<Int>) {
    let start = record.lowerBound + Self.recordHead
    guard start <= record.upperBound else { return }
    let length = buffer.uint32(at: start - 8)
    guard length <= record.upperBound - start else { return }
    let type = HandleType(rawValue: Int32(truncatingIfNeeded: buffer.uint32(at: start - 4)))
    let handle = KernelFileHandle(type: type, bytes: buffer, in: start..<(start + length))
    switch buffer[record.lowerBound] {
    case 1: file = handle  // FAN_EVENT_INFO_TYPE_FID
    case 2, 3:  // FAN_EVENT_INFO_TYPE_DFID_NAME, …_DFID
      directory = handle
      nameBytes = buffer[(start + length)..<record.upperBound]
    case 10: oldDirectory = handle  // FAN_EVENT_INFO_TYPE_OLD_DFID_NAME
    case 12: newDirectory = handle  // FAN_EVENT_INFO_TYPE_NEW_DFID_NAME
    default: break
    }
  }
}
