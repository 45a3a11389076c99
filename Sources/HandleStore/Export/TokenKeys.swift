internal import Synchronization
internal import SystemPackage

/// The keys of an open store, as they are in its file: looked at once a second, so that a key that was
/// rotated out is refused by a server that goes on running.
final class TokenKeys: Sendable {
  private struct State {
    var ring: Keyring?
    /// When the file was read last, and when for an unknown key; nanoseconds.
    var read: UInt64 = 0
    var readForUnknown: UInt64 = 0

    /// Reads the file again. Where it cannot be read, the keys stay as they were: to open the export
    /// again says why.
    mutating func reload(_ directory: OpenDirectory) {
      if let found = try? Keyring.read(in: directory) { ring = found }
    }
  }

  private static let second: UInt64 = 1_000_000_000

  private let state = Mutex(State())

  /// Reads the keys, and makes the first one where there are none.
  func load(in directory: OpenDirectory, make: Bool) throws {
    guard let ring = try make ? Keyring.readOrMake(in: directory) : Keyring.read(in: directory)
    else {
      throw StoreError.noKeys(path: directory.path)
    }
    state.withLock { state in
      state.ring = ring
      state.read = SystemCalls.now
    }
  }

  func signer(in directory: OpenDirectory) throws -> (id: UInt8, key: AuthenticationKey) {
    guard let ring = ring(in: directory) else { throw StoreError.noKeys(path: directory.path) }
    return (ring.signer, ring.signing)
  }

  /// The key of an id. One that is not known may just have come: but a client may name what it likes, so
  /// the file is not read more than once a second for that.
  func key(_ id: UInt8, in directory: OpenDirectory) -> AuthenticationKey? {
    if let key = ring(in: directory)?.key(id) { return key }
    let now = SystemCalls.now
    return state.withLock { state -> AuthenticationKey? in
      guard now - state.readForUnknown >= Self.second else { return nil }
      state.readForUnknown = now
      state.reload(directory)
      return state.ring?.key(id)
    }
  }

  private func ring(in directory: OpenDirectory) -> Keyring? {
    let now = SystemCalls.now
    return state.withLock { state in
      // In this order: another thread may have read it since.
      if now > state.read, now - state.read >= Self.second {
        state.read = now
        state.reload(directory)
      }
      return state.ring
    }
  }
}

extension Store {
  /// Takes up at once what is in the file of keys, rather than within a second.
  ///
  /// - Throws: ``StoreError/noKeys(path:)``, ``StoreError/exposedKeys(path:)``,
  ///   ``StoreError/damagedFile(path:_:)``,
  ///   ``StoreError/system(_:_:)``. Then the keys stay as they were.
  public func reloadKeys() throws(StoreError) {
    try guarded { try tokenKeys.load(in: directory, make: false) }
  }
}
