internal import HandleStore
internal import HandleLocks
internal import Logging
internal import SystemPackage

/// Listens to what happens on the backing filesystem, through the mount or behind its back, from the
/// first time that somebody wants to hear of it.
///
/// Each operation through the mount is an event too. If each woke the thread, all would be slower. So
/// while events come, the thread looks for them at intervals.
final class BackingChanges: Sendable {
  /// The time between two looks, in milliseconds.
  private static let interval: UInt32 = 4
  /// After so many looks without an event the thread waits for the next event.
  private static let looks = 25

  /// What hears of the events. It is called with the events in their order, without any after a look that
  /// finds none, and with `nil` if no more events are to come. Returns whether it is to be called again
  /// soon.
  typealias Listener = @Sendable ([FilesystemEvent]?) -> Bool

  private let listeners = Locked<[Listener]>([])
  private let isListening = Locked(false)
  private let log: Logger

  init(log: Logger) { self.log = log }

  /// Has a listener hear of all events from now on.
  ///
  /// - Parameter source: makes the source of the events; called for the first listener.
  func tell(
    _ listener: @escaping Listener, from source: () throws -> BackingEvents
  ) throws {
    try isListening.withLock { isListening in
      listeners.withLock { $0.append(listener) }
      guard !isListening else { return }
      do {
        let source = try source()
        Thread.start { [self] in listen(to: source) }
        isListening = true
      } catch {
        listeners.withLock { _ = $0.popLast() }
        throw error
      }
    }
  }

  private func listen(to source: BackingEvents) {
    var quietLooks = Self.looks
    do throws(Errno) {
      while true {
        let waits = quietLooks >= Self.looks
        try source.next(waits: waits) { events in
          let isAwaited = tellAll(events)
          quietLooks = events.isEmpty && !isAwaited ? quietLooks + 1 : 0
        }
        Processes.sleep(milliseconds: Self.interval)
      }
    } catch {
      log.error(
        "receiving events of the filesystem failed; no more are reported",
        metadata: ["error": "\(error)"])
      _ = tellAll(nil)
    }
  }

  private func tellAll(_ events: [FilesystemEvent]?) -> Bool {
    var isAwaited = false
    for listener in listeners.withLock({ $0 }) where listener(events) { isAwaited = true }
    return isAwaited
  }
}
