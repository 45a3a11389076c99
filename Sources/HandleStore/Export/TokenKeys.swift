internal import Synchronization
internal import SystemPackage

/// The keys of an open store, as they are in its file: looked at once a second, so that a key that was
/// rotated out is refused by a server that goes on running.
///
/// Keys that cannot be read are no keys: one that was revoked must not stay good because the file that
/// says so is gone. Each use fails then, and looks at the file again.
final class TokenKeys: Sendable {
  private struct State {
    var ring: Keyring?
    /// When the file was read last, and when for an unknown key; nanoseconds.
    var read: UInt64 = 0
    var readForUnknown: UInt64 = 0

    /// Takes the keys that are in the file; none if it cannot be read.
    mutating func reload(_ directory: OpenDirectory, _ store: UInt64) throws {
      ring = nil
      guard let found = try Keyring.read(in: directory, of: store) else {
        throw StoreError.noKeys(path: directory.path)
      }
      ring = found
    }

    /// The keys, as they were in the file a second ago or later.
    mutating func current(_ directory: OpenDirectory, _ store: UInt64) throws -> Keyring {
      // Read the clock under the lock: another thread may have read the file since.
      let now = SystemCalls.now
      if let ring, now - read < TokenKeys.second { return ring }
      read = now
      do {
        try reload(directory, store)
      } catch StoreError.tooManyOpenFiles {
        throw StoreError.tooManyOpenFiles
      } catch {
        throw StoreError.unusableKeys(
          path: directory.path, reason: StoreError(any: error, path: directory.path).description)
      }
      guard let ring else { throw StoreError.noKeys(path: directory.path) }
      return ring
    }
  }

  private static let second: UInt64 = 1_000_000_000

  private let state = Mutex(State())

  /// Reads the keys, and makes the first one where there are none.
  func load(in directory: OpenDirectory, of store: UInt64, make: Bool) throws {
    try state.withLock { state in
      if make { _ = try Keyring.readOrMake(in: directory, of: store) }
      try state.reload(directory, store)
      state.read = SystemCalls.now
    }
  }

  func signer(in directory: OpenDirectory, of store: UInt64) throws -> (
    id: UInt8, key: AuthenticationKey
  ) {
    let ring = try state.withLock { try $0.current(directory, store) }
    return (ring.signer, ring.signing)
  }

  /// The key of an id. One that is not known may just have come: but a client may name what it likes, so
  /// the file is not read more than once a second for that.
  func key(
    _ id: UInt8, in directory: OpenDirectory, of store: UInt64
  ) throws -> AuthenticationKey? {
    try state.withLock { state in
      if let key = try state.current(directory, store).key(id) { return key }
      let now = SystemCalls.now
      guard now - state.readForUnknown >= Self.second else { return nil }
      state.readForUnknown = now
      state.read = 0
      return try state.current(directory, store).key(id)
    }
  }
}

extension Store {
  /// Takes up at once what is in the file of keys, rather than within a second.
  ///
  /// - Throws: ``StoreError/noKeys(path:)``, ``StoreError/exposedKeys(path:)``,
  ///   ``StoreError/damagedFile(path:_:)``, ``StoreError/foreignFile(path:remedy:)``,
  ///   ``StoreError/system(_:_:)``. Then no token is signed or taken until the file can be read.
  public func reloadKeys() throws(StoreError) {
    try guarded { try tokenKeys.load(in: directory, of: number, make: false) }
  }
}
