import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// Calls that a signal interrupts (EINTR) are made again.
@Suite struct InterruptedCallTests {
  @Test func everyRetriedCall() throws {
    for interruptions in [0, 1, 5] {
      var calls = 0
      let result: Int = try retried {
        calls += 1
        return calls <= interruptions ? Int(-EINTR) : 7
      }
      #expect(result == 7 && calls == interruptions + 1)
    }
    #expect(throws: Errno.ioError) { try retried { Int(-EIO) } }
  }

  @Test func aReadThatWaits() throws {
    let (reading, writing) = try FileDescriptor.pipe()
    let result = try whileInterrupted {
      try SystemCalls.readAll(reading)
    } end: {
      try writing.writeAll([1, 2, 3])
      try writing.close()
    }
    #expect(result == [1, 2, 3])
    try reading.close()
  }

  @Test func aMessageThatIsWaitedFor() throws {
    let (receiving, sending) = try SystemCalls.socketPair()
    let numbers = try whileInterrupted {
      let message = try SystemCalls.receive(from: receiving)
      return [message?.first, message?.second]
    } end: {
      try SystemCalls.send(4, 5, with: nil, to: sending)
    }
    #expect(numbers == [4, 5])
    for end in [receiving, sending] { try end.close() }
  }

  /// Runs a call that waits in a thread of its own, and interrupts it by signals until `end` has let
  /// it end.
  private func whileInterrupted<R: Sendable>(
    _ call: @escaping @Sendable () throws -> R, end: () throws -> Void
  ) throws -> R {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in }
    #expect(sigaction(SIGUSR2, &action, nil) == 0)
    let waiting = Waiting<R>()
    let thread = Thread {
      waiting.begin(pthread_self())
      waiting.finish(Result { try call() })
    }
    thread.start()
    let id = try #require(eventuallyValue { waiting.thread })
    usleep(50_000)
    for _ in 0..<20 {
      #expect(pthread_kill(id, SIGUSR2) == 0)
      usleep(1000)
    }
    try end()
    return try #require(eventuallyValue { waiting.result }).get()
  }

  /// Waits up to ten seconds for a value.
  private func eventuallyValue<R>(_ value: () -> R?) -> R? {
    for _ in 0..<10_000 {
      if let found = value() { return found }
      usleep(1000)
    }
    return nil
  }

  private final class Waiting<R: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var begun: pthread_t?
    private var ended: Result<R, any Error>?

    func begin(_ thread: pthread_t) { lock.withLock { begun = thread } }
    func finish(_ result: Result<R, any Error>) { lock.withLock { ended = result } }
    var thread: pthread_t? { lock.withLock { begun } }
    var result: Result<R, any Error>? { lock.withLock { ended } }
  }
}
