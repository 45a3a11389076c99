internal import CHandleFS
internal import Glibc

/// Starts detached threads.
enum Thread {
  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts a thread that works only while no other wants to.
  static func startInBackground(_ run: @escaping @Sendable () -> Void) {
    start {
      setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)  // Of this thread (sched(7)).
      run()
    }
  }

  static func start(_ run: @escaping @Sendable () -> Void) {
    let body = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
    var thread = pthread_t()
    unsafe pthread_create(
      &thread, nil,
      { body in
        guard let body = unsafe body else { return nil }
        unsafe Unmanaged<Body>.fromOpaque(body).takeRetainedValue().run()
        return nil
      }, body)
    pthread_detach(thread)
  }
}
