internal import Synchronization

/// Buffers that requests borrow.
final class BufferPool: Sendable {
  private static let size = 1 << 20
  private let idle = Mutex<[Lent]>([])

  /// A buffer is used by one thread at a time: by whoever took it out.
  private struct Lent: @unchecked Sendable {
    let buffer: Buffer
  }

  func with<R>(_ body: (Buffer) throws -> R) rethrows -> R {
    let lent = idle.withLock { $0.popLast() } ?? Lent(buffer: Buffer(size: Self.size))
    defer { idle.withLock { $0.append(lent) } }
    return try body(lent.buffer)
  }
}
