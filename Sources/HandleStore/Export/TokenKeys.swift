internal import Synchronization
internal import SystemPackage

/// The keys of an open store, as they are in its file. A use of the keys reads the file again if
/// the last read was a second ago or longer, so that a running server refuses a key that was
/// rotated out.
///
/// If the keys cannot be read, there are no keys: a revoked key must not become valid again because
/// the file that revoked it is gone. Each use then fails, and reads the file again.
final class TokenKeys: Sendable {
  private struct State {
    var ring: Keyring?
    /// When the file was last read, and when for an unknown key; nanoseconds.
    var read: UInt64 = 0
    var readForUnknown: UInt64 = 0

    /// Takes the keys from the file. Leaves no keys if the file cannot be read.
    mutating func reload(_ files: any SmallFiles, _ store: UInt64) throws {
      ring = nil
      guard let found = try Keyring.read(in: files, of: store) else {
        throw StoreError.noKeys(path: files.path)
      }
      ring = found
    }

    /// Returns the keys as they were in the file at most a second ago.
    mutating func current(_ files: any SmallFiles, _ store: UInt64) throws -> Keyring {
      // Read the clock under the lock: another thread may have read the file since.
      let now = SystemCalls.now
      if let ring, now - read < TokenKeys.second { return ring }
      read = now
      do {
        try reload(files, store)
      } catch StoreError.tooManyOpenFiles {
        throw StoreError.tooManyOpenFiles
      } catch {
        throw StoreError.unusableKeys(
          path: files.path, reason: StoreError(any: error, path: files.path).description)
      }
      guard let ring else { throw StoreError.noKeys(path: files.path) }
      return ring
    }
  }

  private static let second: UInt64 = 1_000_000_000

  private let state = Mutex(State())

  /// Reads the keys. If `make` is set and there are none, makes the first one.
  func load(in files: any SmallFiles, of store: UInt64, make: Bool) throws {
    try state.withLock { state in
      if make { _ = try Keyring.readOrMake(in: files, of: store) }
      try state.reload(files, store)
      state.read = SystemCalls.now
    }
  }

  func signer(in files: any SmallFiles, of store: UInt64) throws -> (
    id: UInt8, key: AuthenticationKey
  ) {
    let ring = try state.withLock { try $0.current(files, store) }
    return (ring.signer, ring.signing)
  }

  /// Returns the key with an id, or `nil` if there is none. An unknown key may be one that was just
  /// added. But a client can name any id, so unknown ids make the file be read at most once a
  /// second.
  func key(
    _ id: UInt8, in files: any SmallFiles, of store: UInt64
  ) throws -> AuthenticationKey? {
    try state.withLock { state in
      if let key = try state.current(files, store).key(id) { return key }
      let now = SystemCalls.now
      guard now - state.readForUnknown >= Self.second else { return nil }
      state.readForUnknown = now
      state.read = 0
      return try state.current(files, store).key(id)
    }
  }
}

extension Store {
  /// Reads the keys from the file at once. Otherwise a change takes effect within a second.
  ///
  /// - Throws: ``StoreError/noKeys(path:)``, ``StoreError/exposedKeys(path:)``,
  ///   ``StoreError/damagedFile(path:_:)``, ``StoreError/foreignFile(path:remedy:)``,
  ///   ``StoreError/system(_:_:)``. After an error no token is signed or accepted until the file
  ///   can be read.
  public func reloadKeys() throws(StoreError) {
    try withStoreErrors { try tokenKeys.load(in: files, of: number, make: false) }
  }
}
