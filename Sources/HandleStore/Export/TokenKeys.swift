internal import HandleLocks
internal import SystemPackage

/// The keys of an open store, as they are in its file. A use of the keys reads the file again if
/// the last read was a second ago or longer, so that a running server refuses a key that was
/// rotated out.
///
/// If the keys cannot be read, there are no keys: a revoked key must not become valid again because
/// the file that revoked it is gone. Each use then fails, and reads the file again. A thread that had
/// to wait for a read of another thread shares its failure, because the keys may be in a database
/// that does not answer: the threads must not wait for it one after the other.
final class TokenKeys: Sendable {
  private struct State {
    /// What the last read found.
    var outcome: Result<Keyring, StoreError>?
    /// When the last read began and ended, and when the last one for an unknown key began; nanoseconds.
    var began: UInt64 = 0
    var ended: UInt64 = 0
    var beganForUnknown: UInt64 = 0

    /// Returns the keys to a thread that asked for them at a moment, before it had the lock.
    ///
    /// - Parameters:
    ///   - age: how long before that the last read may have begun; otherwise reads the file again.
    ///   - read: reads the file.
    mutating func ring(
      at moment: UInt64, maximumAge age: UInt64, _ read: () throws(StoreError) -> Keyring
    ) throws(StoreError) -> Keyring {
      switch outcome {
      case .success(let ring) where moment < began + age: return ring
      case .failure(let error) where moment < ended: throw error
      default: break
      }
      began = SystemCalls.now
      let found = Result(catching: read)
      (outcome, ended) = (found, SystemCalls.now)
      return try found.get()
    }

    /// Returns the keys as they were in the file at most a second before the moment.
    mutating func current(
      at moment: UInt64, _ files: any SmallFiles, _ store: UInt64
    ) throws -> Keyring {
      do throws(StoreError) {
        return try ring(at: moment, maximumAge: TokenKeys.second) { () throws(StoreError) in
          try Keyring.reading(files, of: store)
        }
      } catch .tooManyOpenFiles {
        throw StoreError.tooManyOpenFiles
      } catch {
        throw StoreError.unusableKeys(path: files.path, reason: error.description)
      }
    }
  }

  private static let second: UInt64 = 1_000_000_000

  private let state = Locked(State())

  /// Reads the keys. If `make` is set and there are none, makes the first one.
  func load(in files: any SmallFiles, of store: UInt64, make: Bool) throws {
    let moment = SystemCalls.now
    try state.withLock { state in
      // That another thread found none does not matter here.
      if make, case .failure(.noKeys) = state.outcome { state.outcome = nil }
      _ = try state.ring(at: moment, maximumAge: 0) { () throws(StoreError) in
        make ? try Keyring.readOrMake(in: files, of: store) : try Keyring.reading(files, of: store)
      }
    }
  }

  func signer(in files: any SmallFiles, of store: UInt64) throws -> (
    id: UInt8, key: AuthenticationKey
  ) {
    let moment = SystemCalls.now
    let ring = try state.withLock { try $0.current(at: moment, files, store) }
    return (ring.signer, ring.signing)
  }

  /// Returns the key with an id, or `nil` if there is none. An unknown key may be one that was just
  /// added. But a client can name any id, so unknown ids make the file be read at most once a
  /// second.
  func key(
    _ id: UInt8, in files: any SmallFiles, of store: UInt64
  ) throws -> AuthenticationKey? {
    let moment = SystemCalls.now
    return try state.withLock { state in
      if let key = try state.current(at: moment, files, store).key(id) { return key }
      guard moment >= state.beganForUnknown + Self.second else { return nil }
      state.outcome = nil
      let ring = try state.current(at: moment, files, store)
      state.beganForUnknown = state.began
      return ring.key(id)
    }
  }
}

extension Keyring {
  /// Reads the keys of a store.
  ///
  /// - Throws: ``StoreError/noKeys(path:)`` if there are none.
  fileprivate static func reading(
    _ files: any SmallFiles, of store: UInt64
  ) throws(StoreError) -> Keyring {
    guard let ring = try read(in: files, of: store) else { throw .noKeys(path: files.path) }
    return ring
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
