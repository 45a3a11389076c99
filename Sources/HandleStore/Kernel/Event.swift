internal import CHandleSys

/// An event that one thread sets, once, and another waits for.
@safe final class Event: @unchecked Sendable {
  private let raw: OpaquePointer

  init() {
    guard let raw = unsafe hsys_event_create() else { fatalError("no memory for an event") }
    unsafe self.raw = raw
  }

  func set() { unsafe hsys_event_set(raw) }

  /// Waits for an event that is likely to be set within microseconds.
  func wait() { unsafe hsys_event_wait(raw) }

  /// Waits for an event that takes longer, at most for so many nanoseconds.
  func sleep(atMost nanoseconds: UInt64 = .max) { unsafe hsys_event_sleep(raw, nanoseconds) }

  deinit { unsafe hsys_event_destroy(raw) }
}
