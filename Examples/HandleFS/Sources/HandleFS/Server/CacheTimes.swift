internal import HandleStore
internal import Synchronization
internal import SystemPackage

/// For how long the kernel may believe names and attributes without asking.
///
/// As long as the server hears of each change behind the mount's back and tells the kernel of it
/// (``CacheInvalidation``), that can be long. A reply may be on its way while the file changes: then the
/// kernel is told before it has the reply, and keeps what the reply says. So each change is also counted
/// here, and a reply that was made during a change is believed for a short time only.
final class CacheTimes: Sendable {
  /// A day.
  static let longest = 86_400.0
  /// The time for what may change without the server hearing of it, unless the user gives one.
  static let shortest = 1.0

  private let long, short: Double
  /// The device whose changes the server hears of; 0 for none.
  private let device = Atomic<UInt>(0)
  /// How many changes there were, of all files whose handles have the same hash.
  private let changes = InlineArray<1024, Atomic<UInt32>> { _ in Atomic(0) }
  private let losses = Atomic<UInt32>(0)

  /// - Parameter given: the time that the user gives, in seconds.
  init(given: Double?) {
    long = given ?? Self.longest
    short = given ?? Self.shortest
    brief = min(short, 0.01)
  }

  /// Whether it is of use to hear of changes.
  var wantsChanges: Bool { long > Self.shortest }

  /// The server hears of all changes on a device from now on.
  func begin(_ device: UInt) { self.device.store(device, ordering: .sequentiallyConsistent) }

  /// The server does not hear of changes any more.
  func end() { device.store(0, ordering: .sequentiallyConsistent) }

  private func hears(of device: UInt) -> Bool {
    device != 0 && device == self.device.load(ordering: .acquiring)
  }

  // MARK: Changes

  /// How often a file may have changed up to now.
  struct Count: Equatable {
    fileprivate var changes, losses: UInt32
  }

  func count(_ handle: KernelFileHandle) -> Count {
    Count(
      changes: changes[place(handle)].load(ordering: .sequentiallyConsistent),
      losses: losses.load(ordering: .sequentiallyConsistent))
  }

  func noteChange(_ handle: KernelFileHandle) {
    changes[place(handle)].add(1, ordering: .sequentiallyConsistent)
  }

  /// Any file may have changed.
  func noteLoss() { losses.add(1, ordering: .sequentiallyConsistent) }

  private func place(_ handle: KernelFileHandle) -> Int { handle.hashValue & 1023 }

  // MARK: Times

  /// For how long the kernel may believe what a reply says of a file on a device.
  func time(on device: UInt) -> Double { hears(of: device) ? long : short }

  /// The same for a file that the kernel may not know yet.
  ///
  /// - Parameter count: how often the file had changed before its status was read.
  func time(on device: UInt, _ handle: KernelFileHandle, since count: Count) -> Double {
    hears(of: device) && self.count(handle) == count ? long : brief
  }

  /// The time for a reply that may be out of date when the kernel gets it.
  let brief: Double

  /// For how long the kernel may believe that a name in a directory on a device does not exist.
  func timeOfAbsence(on device: UInt) -> Double { hears(of: device) ? long : 0 }
}
