internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// Reports what happens on a filesystem, whichever process does it (`fanotify(7)`). One thread at a time
/// uses it.
@safe final class BackingEvents: @unchecked Sendable {
  private let watch: BackingFile
  private let buffer: UnsafeMutableRawPointer
  /// Whether the buffer holds what an earlier process read and did not handle.
  private var isLeft: Bool

  /// Watches the whole filesystem that a file is on. If too many events are not read, they are lost.
  ///
  /// - Throws: `EPERM` without `CAP_SYS_ADMIN`, `EXDEV` on a btrfs subvolume if the kernel cannot
  ///   watch one.
  init(on file: BackingFile) throws(Errno) {
    watch = BackingFile(try checked(hf_watch(file.number, 0)))
    unsafe buffer = .allocate(byteCount: Int(HF_EVENTS_SIZE), alignment: 8)
    unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0, count: Int(HF_EVENTS_SIZE))
    isLeft = false
  }

  /// Goes on where an earlier process stopped. No event is lost: what that process had read but not
  /// handled comes again.
  ///
  /// - Parameters:
  ///   - watch: what ``watch(_:)`` returned.
  ///   - unhandled: memory that outlives the process.
  init(in watch: FileDescriptor, unhandled: FileDescriptor) throws(Errno) {
    self.watch = BackingFile(try checked(dup(watch.rawValue)))
    guard let buffer = unsafe hf_map_events(unhandled.rawValue) else { throw .noMemory }
    unsafe self.buffer = buffer
    isLeft = true
  }

  /// Begins to watch the filesystem that a directory is on, if only this machine changes it and the
  /// kernel can be made to forget everything in case of need (Linux 6.16). Returns `nil` if not.
  static func watch(_ directory: FileDescriptor) -> FileDescriptor? {
    guard hf_is_local(directory.rawValue) == 1, Processes.kernel >= (6, 16) else { return nil }
    let watch = hf_watch(directory.rawValue, 1)
    return watch < 0 ? nil : FileDescriptor(rawValue: watch)
  }

  /// Whether a descriptor is one that ``watch(_:)`` returned.
  static func isWatch(_ descriptor: FileDescriptor) -> Bool {
    hf_is_watch(descriptor.rawValue) == 1
  }

  /// Passes the events that have come to `body`; none if there are none.
  ///
  /// - Parameter waits: whether to wait for an event first.
  func next(waits: Bool, _ body: ([FilesystemEvent]) -> Void) throws(Errno) {
    if !isLeft {
      try checked(unsafe hf_read_events(watch.number, waits ? 1 : 0, buffer))
    }
    isLeft = false
    let length = unsafe hf_length_of_events(buffer)
    let bytes = unsafe Array(UnsafeRawBufferPointer(start: buffer, count: length))
    if !bytes.isEmpty { FaultPoint.pass(.eventsRead) }
    body(bytes.isEmpty ? [] : FilesystemEvent.all(in: bytes))
    unsafe memset(buffer, 0, length)
  }
}
