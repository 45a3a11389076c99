internal import Glibc
internal import SystemPackage

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
  ///
  /// - Throws: `EMFILE` and `ENFILE`; `EAGAIN` if the process or the system can have no further
  ///   thread.
  init(every interval: Duration, _ body: @escaping @Sendable () -> Void) throws(Errno) {
    var ends: [CInt] = [-1, -1]
    guard unsafe Glibc.pipe(&ends) == 0 else { throw Errno(rawValue: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    pipe = (ends[0], ends[1])
    let work = Work(interval, pipe.0, body)
    var thread = pthread_t()
    let argument = unsafe Unmanaged.passRetained(work)
    let failed = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, argument.toOpaque())
    self.thread = thread
    guard failed == 0 else {
      unsafe argument.release()
      for end in ends { Glibc.close(end) }
      throw Errno(rawValue: failed)
    }
  }

  /// Ends the thread, after what it is doing. Call it once.
  func stop() {
    _ = unsafe write(pipe.1, "x", 1)
    pthread_join(thread, nil)
    close(pipe.1)
    close(pipe.0)
  }
}
