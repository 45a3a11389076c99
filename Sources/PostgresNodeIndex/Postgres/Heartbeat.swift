internal import Glibc

/// A thread that does something again and again, until it is stopped.
@safe final class Heartbeat: @unchecked Sendable {
  private let thread: pthread_t
  /// A pipe(2). When something is in it, the thread ends.
  private let pipe: (CInt, CInt)

  private final class Work: Sendable {
    let interval: Duration
    let end: CInt
    let body: @Sendable () -> Void

    init(_ interval: Duration, _ end: CInt, _ body: @escaping @Sendable () -> Void) {
      (self.interval, self.end, self.body) = (interval, end, body)
    }

    func run() {
      while !Deadline.hasEvent(end, within: interval) { body() }
    }
  }

  /// Starts the thread (`pthread_create(3)`).
  init(every interval: Duration, _ body: @escaping @Sendable () -> Void) {
    var ends: [CInt] = [-1, -1]
    precondition(unsafe Glibc.pipe(&ends) == 0, "the process can open no further file")
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    pipe = (ends[0], ends[1])
    let work = Work(interval, pipe.0, body)
    var thread = pthread_t()
    let failed = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(work).toOpaque())
    precondition(failed == 0, "the process can have no further thread")
    self.thread = thread
  }

  /// Ends the thread, after what it is doing. Call it once.
  func stop() {
    _ = unsafe write(pipe.1, "x", 1)
    pthread_join(thread, nil)
    close(pipe.1)
    close(pipe.0)
  }
}
