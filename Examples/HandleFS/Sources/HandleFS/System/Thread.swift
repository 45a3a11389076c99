internal import CHandleFS
internal import Glibc

/// Starts detached threads.
enum Thread {
  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts a thread (`pthread_create(3)`). If the system allows no further one for a second, ends the
  /// process: without the thread, something would never be done, and the next process may have room.
  static func start(_ run: @escaping @Sendable () -> Void) {
    let body = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
    for _ in 0..<100 {
      if unsafe create(body) { return }
      usleep(10_000)
    }
    fatalError("the system allows no further thread; raise TasksMax= or RLIMIT_NPROC")
  }

  private static func create(_ body: UnsafeMutableRawPointer) -> Bool {
    var thread = pthread_t()
    let failure = unsafe pthread_create(
      &thread, nil,
      { body in
        guard let body = unsafe body else { return nil }
        unsafe Unmanaged<Body>.fromOpaque(body).takeRetainedValue().run()
        return nil
      }, body)
    if failure == 0 { pthread_detach(thread) }
    return failure == 0
  }
}
