public import Glibc

/// A value that one thread at a time can use: `Synchronization.Mutex`, over `pthread_mutex_t`.
///
/// On Linux, the standard library's mutex is one that the kernel hands over (`FUTEX_LOCK_PI`): whoever unlocks
/// it gives it to the thread that has waited longest, even if that thread has to be woken first, and until it
/// runs nobody has the mutex. Once threads have queued for a mutex that is used all the time, they go on
/// queueing, and throughput falls to a fraction. This one may be taken by a thread that runs.
///
/// ThreadSanitizer sees it, too, while the standard library's is in code that is not instrumented.
@frozen @safe public struct Locked<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
  @usableFromInline let lock: UnsafeMutablePointer<pthread_mutex_t>
  @usableFromInline let value: UnsafeMutablePointer<Value>

  /// Guards a value, which is moved here.
  @inlinable public init(_ initial: consuming sending Value) {
    unsafe lock = .allocate(capacity: 1)
    unsafe pthread_mutex_init(lock, nil)
    unsafe value = .allocate(capacity: 1)
    unsafe value.initialize(to: initial)
  }

  /// Calls `body` with the value while no other thread has it. Not reentrant: a `body` that locks the
  /// same mutex waits for ever.
  @inlinable public borrowing func withLock<R: ~Copyable, E: Error>(
    _ body: (inout sending Value) throws(E) -> sending R
  ) throws(E) -> sending R {
    unsafe pthread_mutex_lock(lock)
    defer { unsafe pthread_mutex_unlock(lock) }
    return try unsafe body(&value.pointee)
  }

  /// Calls `body` if no other thread has the value; otherwise returns `nil` at once.
  @inlinable public borrowing func withLockIfFree<R: ~Copyable, E: Error>(
    _ body: (inout sending Value) throws(E) -> sending R
  ) throws(E) -> sending R? {
    guard unsafe pthread_mutex_trylock(lock) == 0 else { return nil }
    defer { unsafe pthread_mutex_unlock(lock) }
    return try unsafe body(&value.pointee)
  }

  @inlinable deinit {
    unsafe value.deinitialize(count: 1)
    unsafe value.deallocate()
    unsafe pthread_mutex_destroy(lock)
    unsafe lock.deallocate()
  }
}
