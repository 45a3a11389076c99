internal import HandleStore

/// The ids that the watchers of a mount have in the store. In a database each gateway has ids of its own, by
/// their upper half, and leaves the watches of the others alone.
struct WatcherFamily {
  private static let own: UInt64 = 0xffff_ffff
  private let upper: UInt64?

  /// - Parameter gateway: the name of the gateway; `nil` if the store is in a directory.
  init(gateway: String?) { upper = gateway.map { stableHash($0) & ~Self.own } }

  /// Returns the id of a watcher by the number that it has chosen.
  func id(_ number: UInt64) -> WatcherID {
    WatcherID(rawValue: upper.map { $0 | number & Self.own } ?? number)
  }

  func contains(_ id: WatcherID) -> Bool {
    upper.map { $0 == id.rawValue & ~Self.own } ?? true
  }
}
