public import SystemPackage

/// The keys under which a store's tokens are signed: one signs, and all are good for checking.
///
/// They stand in the file `keys` of the store's directory, which only its owner may read
/// (Docs/Format.md). Several servers of one export share their keys by having the same in that file.
public struct Keyring: Sendable {
  /// The ids of all keys, in the order in which they came.
  public var ids: [UInt8] { keys.map(\.id) }
  /// The id of the key that signs.
  public private(set) var signer: UInt8

  private var keys: [(id: UInt8, key: AuthenticationKey)]

  /// The most keys: a token names its key in a byte.
  public static let maximumCount = 256

  /// A ring with one new key.
  init() {
    keys = [(1, .random())]
    signer = 1
  }

  /// The key of an id, or `nil` where there is none.
  func key(_ id: UInt8) -> AuthenticationKey? { keys.first { $0.id == id }?.key }

  var signing: AuthenticationKey { key(signer) ?? keys[0].key }

  /// Makes a new key, which signs from now on.
  ///
  /// - Parameter keep: how many of the older keys stay good for checking, the newest of them; tokens that
  ///   were signed under the others are refused from now on.
  mutating func rotate(keeping keep: Int) {
    keys = keys.suffix(max(0, min(keep, Self.maximumCount - 1)))
    signer = add()
  }

  /// Makes a new key, which does not sign yet; returns its id.
  @discardableResult
  private mutating func add() -> UInt8 {
    var id = (keys.last?.id ?? signer) &+ 1
    while keys.contains(where: { $0.id == id }) { id &+= 1 }
    keys.append((id, .random()))
    return id
  }
}

// MARK: The file

extension Keyring {
  private static let name: FilePath.Component = "keys"
  private static let formatVersion = 1

  /// The ring in a store's directory, or `nil` where there is none yet.
  static func read(in directory: OpenDirectory) throws(StoreError) -> Keyring? {
    let path = directory.path(of: name)
    let file: (text: String, status: FullStatus)
    do throws(Errno) {
      file = try SmallFile.read(name, in: directory)
    } catch .noSuchFileOrDirectory {
      return nil
    } catch .tooManySymbolicLinkLevels {
      throw .exposedKeys(path: path)
    } catch {
      throw StoreError(error, "reading \(path)")
    }
    guard file.status.mode & 0o077 == 0 else { throw .exposedKeys(path: path) }
    guard let ring = Keyring(text: file.text) else {
      throw .damagedFile(
        path: path, "take it from a backup, or remove it: then no token that was given out is good")
    }
    return ring
  }

  func write(in directory: OpenDirectory) throws(StoreError) {
    try SmallFile.write(Self.name, in: directory) { _ in text }
  }

  private var text: String {
    var body = "handlestore keys \(Self.formatVersion)\n"
    for (id, key) in keys {
      body += "key \(id) \(Hexadecimal.string(key.bytes))\(id == signer ? " signs" : "")\n"
    }
    return SmallFile.sealed(body)
  }

  private init?(text: String) {
    guard let body = SmallFile.unsealed(text) else { return nil }
    let lines = body.split(separator: "\n")
    guard lines.first == "handlestore keys \(Self.formatVersion)" else { return nil }
    keys = []
    var signer: UInt8?
    for line in lines.dropFirst() {
      let words = line.split(separator: " ")
      guard (3...4).contains(words.count), words[0] == "key", let id = UInt8(words[1]),
        let bytes = Hexadecimal.bytes(words[2]), let key = AuthenticationKey(bytes: bytes),
        !keys.contains(where: { $0.id == id })
      else { return nil }
      keys.append((id, key))
      if words.count == 4 { signer = id }
    }
    guard let signer else { return nil }
    self.signer = signer
  }
}

// MARK: Of a store

extension Keyring {
  /// The keys of a store, which a server may have open meanwhile.
  ///
  /// - Returns: `nil` where the store has none yet: the first export makes one.
  /// - Throws: ``StoreError/noStore(path:)``, ``StoreError/exposedKeys(path:)``,
  ///   ``StoreError/damagedFile(path:_:)``, ``StoreError/system(_:_:)``.
  public init?(ofStoreAt path: FilePath) throws(StoreError) {
    guard let ring = try Self.read(in: try Self.store(at: path)) else { return nil }
    self = ring
  }

  /// Gives a store a new key that signs. A server that has the store open takes it up within a
  /// second of its next use of a token, or by ``Store/reloadKeys()`` at once.
  ///
  /// - Parameters:
  ///   - path: the store's directory.
  ///   - keep: how many of the older keys stay good for checking; tokens that were signed under the others
  ///     are refused from now on.
  /// - Throws: what ``init(ofStoreAt:)`` throws, and ``StoreError/diskFull(path:)``.
  @discardableResult
  public static func rotate(ofStoreAt path: FilePath, keeping keep: Int = 1) throws(StoreError)
    -> Keyring
  {
    try changing(path) { ring in
      guard ring != nil else { return ring = Keyring() }
      ring?.rotate(keeping: keep)
    }
  }

  /// Gives a store a new key that does not sign yet: so that servers which share their keys can all have
  /// it (``share(from:withStoreAt:)``) before one of them signs under it (``sign(under:ofStoreAt:)``).
  ///
  /// - Throws: what ``rotate(ofStoreAt:keeping:)`` throws.
  @discardableResult
  public static func add(ofStoreAt path: FilePath) throws(StoreError) -> Keyring {
    try changing(path) { ring in
      if ring == nil {
        ring = Keyring()
      } else if ring?.keys.count ?? 0 < maximumCount {
        ring?.add()
      }
    }
  }

  /// Lets one of a store's keys sign from now on.
  ///
  /// - Throws: what ``rotate(ofStoreAt:keeping:)`` throws, and ``StoreError/noKey(_:path:)``.
  @discardableResult
  public static func sign(under id: UInt8, ofStoreAt path: FilePath) throws(StoreError) -> Keyring {
    guard let ring = try Keyring(ofStoreAt: path), ring.key(id) != nil else {
      throw .noKey(id, path: path)
    }
    return try changing(path) { if $0?.key(id) != nil { $0?.signer = id } }
  }

  /// Gives a store the keys of another one, so that each takes the tokens by value that the other
  /// signed. Its own keys go.
  ///
  /// - Throws: what ``rotate(ofStoreAt:keeping:)`` throws, for either.
  @discardableResult
  public static func share(from other: FilePath, withStoreAt path: FilePath) throws(StoreError)
    -> Keyring
  {
    guard let theirs = try Keyring(ofStoreAt: other) else { throw .noKeys(path: other) }
    return try changing(path) { $0 = theirs }
  }

  /// The ring of a store, with a first key if it has none.
  static func readOrMake(in directory: OpenDirectory) throws(StoreError) -> Keyring {
    if let ring = try read(in: directory) { return ring }
    return try changing(directory) { $0 = $0 ?? Keyring() }
  }

  private static func store(at path: FilePath) throws(StoreError) -> OpenDirectory {
    let directory = try OpenDirectory(ofStoreAt: path)
    guard try StateFile.read(in: directory) != nil else { throw .noStore(path: path) }
    return directory
  }

  private static func changing(
    _ path: FilePath, _ body: (inout Keyring?) -> Void
  ) throws(StoreError) -> Keyring {
    try changing(store(at: path), body)
  }

  /// Changes the file, one process at a time: the lock is on the file `writer`, which a server that has
  /// the store open does not lock.
  private static func changing(
    _ directory: OpenDirectory, _ body: (inout Keyring?) -> Void
  ) throws(StoreError) -> Keyring {
    let lock: OwnedDescriptor
    do throws(Errno) {
      lock = try directory.open("writer", flags: SystemCalls.create, mode: 0o600)
      try SystemCalls.waitForLock(lock.descriptor)
    } catch {
      throw StoreError(error, "locking \(directory.path(of: "writer"))")
    }
    defer { withExtendedLifetime(lock) {} }
    var ring = try read(in: directory)
    body(&ring)
    guard let ring else { throw .noKeys(path: directory.path) }
    try ring.write(in: directory)
    return ring
  }
}
