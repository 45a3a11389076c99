internal import Synchronization
internal import SystemPackage

/// The keys of an open store.
final class TokenKeys: Sendable {
  private struct State {
    var ring: Keyring?
    /// When an unknown key last made the file be read again, nanoseconds.
    var looked: UInt64 = 0
  }

  private static let second: UInt64 = 1_000_000_000

  private let state = Mutex(State())

  /// Reads the keys unless they were, and makes the first one where there are none.
  func load(in path: FilePath, make: Bool) throws {
    try state.withLock { state in
      guard state.ring == nil else { return }
      state.ring = try make ? .readOrMake(in: path) : .read(in: path)
    }
  }

  func reload(in path: FilePath) throws {
    let ring = try Keyring.read(in: path)
    state.withLock { $0.ring = ring }
  }

  var signer: (id: UInt8, key: AuthenticationKey)? {
    state.withLock { state in state.ring.map { ($0.signer, $0.signing) } }
  }

  /// The key of an id. One that is not known may have come since: the file is looked at again, but
  /// once a second at the most, for clients may name what they like.
  func key(_ id: UInt8, in path: FilePath) throws -> AuthenticationKey? {
    let now = SystemCalls.now
    let (key, looks) = state.withLock { state in
      let key = state.ring?.key(id)
      let looks = key == nil && now - state.looked >= Self.second
      if looks { state.looked = now }
      return (key, looks)
    }
    guard looks else { return key }
    try reload(in: path)
    return state.withLock { $0.ring?.key(id) }
  }
}

extension Store {
  /// Reads the file of keys again: after ``Keyring/rotate(ofStoreAt:keeping:)`` by another process.
  ///
  /// - Throws: ``StoreError/exposedKeys(path:)``, ``StoreError/damaged(_:)``,
  ///   ``StoreError/system(_:_:)``. Then the keys stay as they were.
  public func reloadKeys() throws(StoreError) {
    try guarded { try tokenKeys.reload(in: path) }
  }
}
