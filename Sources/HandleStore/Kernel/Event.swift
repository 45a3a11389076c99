internal import CHandleSys

/// An event that one thread sets, once, and another waits for.
@safe final class Event: @unchecked Sendable {
  private let raw: OpaquePointer

  init() {
    guard let raw = unsafe hsys_event_create() else { fatalError("no memory for an event") }
    unsafe self.raw = raw
  }

  func set() { unsafe hsys_event_set(raw) }
  func wait() { unsafe hsys_event_wait(raw) }

  deinit { unsafe hsys_event_destroy(raw) }
}
