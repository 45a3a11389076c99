internal import HandleLocks

/// A pool of buffers that requests borrow.
final class BufferPool: Sendable {
  private static let size = 1 << 20
  private let idle = Locked<[Lent]>([])

  /// A buffer out of the pool. Only the thread that took it out uses it.
  private struct Lent: @unchecked Sendable {
    let buffer: Buffer
  }

  /// Calls `body` with a buffer that is in no other use.
  func with<R>(_ body: (Buffer) throws -> R) rethrows -> R {
    let lent = idle.withLock { $0.popLast() } ?? Lent(buffer: Buffer(size: Self.size))
    defer { idle.withLock { $0.append(lent) } }
    return try body(lent.buffer)
  }
}
