internal import CHandleSys

/// An event that one thread sets, once, and another waits for.
@safe final class Event: @unchecked Sendable {
  private let raw: OpaquePointer

  init() {
    guard let raw = unsafe hsys_event_create() else { fatalError("no memory for an event") }
    unsafe self.raw = raw
  }

  func set() { unsafe hsys_event_set(raw) }

  /// Whether the event is set, or is set while the call looks again `turns` times, some tens of nanoseconds
  /// apart.
  func isSet(within turns: CInt) -> Bool { unsafe hsys_event_is_set(raw, turns) }

  /// Waits for an event that takes longer, at most for so many nanoseconds.
  func sleep(atMost nanoseconds: UInt64 = .max) { unsafe hsys_event_sleep(raw, nanoseconds) }

  deinit { unsafe hsys_event_destroy(raw) }
}
