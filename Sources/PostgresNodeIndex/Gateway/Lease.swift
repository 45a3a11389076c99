internal import HandleStore
internal import Synchronization

/// For how long a gateway may answer from memory: the end, in nanoseconds of `CLOCK_BOOTTIME`, 0 if
/// it may not. Any thread may read it. Wall clocks that are set have no effect, and a suspended or
/// stopped process finds the lease over.
final class Lease: Sendable {
  private let end = Atomic<UInt64>(0)
  /// When it was last renewed, in nanoseconds of `CLOCK_BOOTTIME`.
  private let renewed = Atomic<UInt64>(SystemCalls.sinceBoot)
  private let cache: LocalCache?

  init(cache: LocalCache?) {
    self.cache = cache
    cache?.memory.validUntil = 0
  }

  var isOver: Bool { left == .zero }

  /// How long it still lasts.
  var left: Duration {
    let (now, end) = (SystemCalls.sinceBoot, end.load(ordering: .acquiring))
    return end > now ? .nanoseconds(end - now) : .zero
  }

  /// How long ago it was last renewed; since the gateway joined, if it never was.
  var age: Duration {
    .nanoseconds(SystemCalls.sinceBoot - renewed.load(ordering: .acquiring))
  }

  /// Renews the lease: all changes that the database had at `moment` are in the cache.
  func renew(from moment: UInt64, for length: UInt64) {
    renewed.store(moment, ordering: .releasing)
    end.store(moment + length, ordering: .releasing)
    cache?.memory.validUntil = moment + length
  }

  /// Ends it now, and forgets what is in the cache.
  func revoke() {
    giveBack()
    cache?.removeAll()
  }

  /// Ends it now.
  func giveBack() {
    end.store(0, ordering: .releasing)
    cache?.memory.validUntil = 0
  }
}
