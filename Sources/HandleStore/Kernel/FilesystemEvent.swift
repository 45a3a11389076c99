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
  /// What was read, and where in it the records of the event are: handles would take much more room.
  private let buffer: [UInt8]
  private var ofFile, ofDirectory, ofOldDirectory, ofNewDirectory: Range<Int>?

  /// The file that it happened to, if the event names it.
  public var file: KernelFileHandle? { handle(ofFile) }
  /// The directory in which it happened, if the event names it.
  public var directory: KernelFileHandle? { handle(ofDirectory) }
  /// The directories that a file was renamed from and to (`FAN_RENAME`).
  var oldDirectory: KernelFileHandle? { handle(ofOldDirectory) }
  var newDirectory: KernelFileHandle? { handle(ofNewDirectory) }

  /// The name in ``directory``, byte for byte; `.` if the event happened to the directory itself, and
  /// empty if the event has no name.
  public var name: FilePath {
    FilePath(bytes: ofDirectory.map { buffer[bytesOfHandle($0).upperBound..<$0.upperBound] } ?? [])
  }

  /// Whether events were lost: the queue overflowed (`FAN_Q_OVERFLOW`), or the rest of the bytes
  /// cannot be parsed. Any file may have changed.
  public var isLoss: Bool { mask & Self.lost != 0 }

  private static let lost: UInt64 = 0x4000

  /// Parses all events that one `read(2)` returned.
  ///
  /// - Parameter bytes: what was read, and nothing else.
  /// - Returns: the events, in their order. An event with impossible lengths is the last one, and its
  ///   ``isLoss`` is true.
  ///   An event that is kept keeps all of `bytes`.
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
      self.init(mask: Self.lost, in: buffer)
      return
    }
    let (length, metadata) = (buffer.uint32(at: start), buffer.uint16(at: start + 6))
    guard length <= filled - start, metadata >= Self.metadataSize, metadata <= length else {
      self.init(mask: Self.lost, in: buffer)
      return
    }
    place = start + length
    self.init(
      mask: buffer.uint64(at: start + 8),
      process: Int32(truncatingIfNeeded: buffer.uint32(at: start + 20)), in: buffer)
    var at = start + metadata
    while place - at >= Self.headerSize {
      let size = buffer.uint16(at: at + 2)
      guard size >= Self.headerSize, size <= place - at else { break }
      take(at..<(at + size))
      at += size
    }
  }

  private init(mask: UInt64, process: Int32 = 0, in buffer: [UInt8]) {
    (self.mask, self.process, self.buffer) = (mask, process, buffer)
  }

  private func handle(_ record: Range<Int>?) -> KernelFileHandle? {
    guard let bytes = record.map(bytesOfHandle) else { return nil }
    let type = Int32(truncatingIfNeeded: buffer.uint32(at: bytes.lowerBound - 4))
    return KernelFileHandle(type: HandleType(rawValue: type), bytes: buffer, in: bytes)
  }

  /// Where the bytes of the handle are in a record that is long enough for them.
  private func bytesOfHandle(_ record: Range<Int>) -> Range<Int> {
    let start = record.lowerBound + Self.recordHead
    return start..<(start + buffer.uint32(at: start - 8))
  }

  /// Notes where an information record is. Skips records of other types, and those that are too short.
  private mutating func take(_ record: Range<Int>) {
    guard record.count >= Self.recordHead, bytesOfHandle(record).upperBound <= record.upperBound
    else { return }
    switch buffer[record.lowerBound] {
    case 1: ofFile = record  // FAN_EVENT_INFO_TYPE_FID
    case 2, 3: ofDirectory = record  // FAN_EVENT_INFO_TYPE_DFID_NAME, …_DFID
    case 10: ofOldDirectory = record  // FAN_EVENT_INFO_TYPE_OLD_DFID_NAME
    case 12: ofNewDirectory = record  // FAN_EVENT_INFO_TYPE_NEW_DFID_NAME
    default: break
    }
  }
}
