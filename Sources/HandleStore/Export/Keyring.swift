public import SystemPackage

/// The keys of a store's tokens: one of them signs new tokens, and tokens signed under any of
/// them are valid.
///
/// They are in the file `keys` in the store's directory, which only its owner may read
/// (Docs/Format.md). Servers of one export can share their keys (``share(from:withStoreAt:)``). A
/// store refuses a file that was copied from another store.
public struct Keyring: Sendable {
  /// The ids of all keys, in the order in which they were added.
  public var ids: [UInt8] { keys.map(\.id) }
  /// The id of the key that signs.
  public private(set) var signer: UInt8

  private var keys: [(id: UInt8, key: AuthenticationKey)]
  /// The number of the store that the keys belong to.
  private var store: UInt64

  /// The most keys that a ring can have: a token names its key in a byte.
  public static let maximumCount = 256

  /// Creates a ring with one new key.
  private init(of store: UInt64) {
    self.store = store
    keys = [(1, .random())]
    signer = 1
  }

  /// Returns the key with an id, or `nil` if there is none.
  func key(_ id: UInt8) -> AuthenticationKey? { keys.first { $0.id == id }?.key }

  var signing: AuthenticationKey { key(signer) ?? keys[0].key }

  /// Adds a new key, which signs from now on.
  ///
  /// - Parameter keep: how many of the older keys stay valid, the newest ones. Tokens
  ///   signed under the others are refused from now on.
  mutating func rotate(keeping keep: Int) {
    keys = keys.suffix(max(0, min(keep, Self.maximumCount - 1)))
    signer = add()
  }

  /// Adds a new key, which does not sign yet, and returns its id.
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
  private static let file = SealedFile(
    name: "keys", title: "handlestore keys 1", isSecret: true,
    ifDamaged: "restore it from a backup, or remove it: then no token that was given out is valid",
    ifForeign: "to take over its keys, run `handlestore key share` with it as FROM; to discard "
      + "them, remove it: then the store refuses all tokens that they signed")

  /// Returns the ring in a store's directory, or `nil` if there is none yet.
  ///
  /// - Parameter store: the store's number.
  static func read(in files: any SmallFiles, of store: UInt64) throws(StoreError) -> Keyring? {
    try file.read(in: files, of: store, keys).map { Keyring($0, of: store) }
  }

  /// Returns the ring in a file, whatever store it belongs to.
  private static func read(
    _ name: FilePath.Component, in files: any SmallFiles
  ) throws(StoreError) -> Keyring? {
    var file = file
    file.name = name
    return try file.read(in: files, keys).map { Keyring($0.contents, of: $0.store) }
  }

  /// Returns the number of the store that the keys in a directory belong to, or `nil` if they
  /// cannot be read.
  static func store(in directory: OpenDirectory) -> UInt64? {
    (try? read(file.name, in: directory))??.store
  }

  func write(in files: any SmallFiles) throws(StoreError) {
    let lines = keys.map { id, key in
      "key \(id) \(Hexadecimal.string(key.bytes))\(id == signer ? " signs" : "")"
    }
    try Self.file.write(lines, of: store, in: files)
  }

  private typealias Keys = (keys: [(id: UInt8, key: AuthenticationKey)], signer: UInt8)

  private init(_ parsed: Keys, of store: UInt64) {
    self.store = store
    (keys, signer) = parsed
  }

  private static func keys(_ lines: [Substring]) -> Keys? {
    var keys: [(id: UInt8, key: AuthenticationKey)] = []
    var signer: UInt8?
    for line in lines {
      let words = SealedFile.words(line)
      guard (3...4).contains(words.count), words[0] == "key", let id = UInt8(words[1]),
        let bytes = Hexadecimal.bytes(words[2]), let key = AuthenticationKey(bytes: bytes),
        !keys.contains(where: { $0.id == id })
      else { return nil }
      keys.append((id, key))
      if words.count == 4 { signer = id }
    }
    return signer.map { (keys, $0) }
  }
}

// MARK: The keys of a store

extension Keyring {
  /// Reads the keys of a store. A server may have the store open.
  ///
  /// - Returns: `nil` if the store has no keys yet: the first export makes one.
  /// - Throws: ``StoreError/noStore(path:)``, ``StoreError/exposedKeys(path:)``,
  ///   ``StoreError/damagedFile(path:_:)``, ``StoreError/foreignFile(path:remedy:)``,
  ///   ``StoreError/system(_:_:)``.
  public init?(ofStoreAt path: FilePath) throws(StoreError) {
    try self.init(in: KeyPlace(ofStoreAt: path))
  }

  package init?(in place: KeyPlace) throws(StoreError) {
    guard let ring = try Self.read(in: place.files, of: place.store) else { return nil }
    self = ring
  }

  /// Gives a store a new key, which signs from now on. A server that has the store open uses it
  /// within a second of its next use of a token, or at once with ``Store/reloadKeys()``.
  ///
  /// - Parameters:
  ///   - path: the store's directory.
  ///   - keep: how many of the older keys stay valid, the newest ones. Tokens signed under the others
  ///     are refused from now on.
  /// - Throws: what ``init(ofStoreAt:)`` throws, and ``StoreError/diskFull(path:)``.
  @discardableResult
  public static func rotate(ofStoreAt path: FilePath, keeping keep: Int = 1) throws(StoreError)
    -> Keyring
  {
    try rotate(in: KeyPlace(ofStoreAt: path), keeping: keep)
  }

  package static func rotate(in place: KeyPlace, keeping keep: Int) throws(StoreError) -> Keyring {
    try change(place) { ring in
      guard ring != nil else { return ring = Keyring(of: place.store) }
      ring?.rotate(keeping: keep)
    }
  }

  /// Gives a store a new key that does not sign yet. So servers that share their keys can all get
  /// the key (``share(from:withStoreAt:)``) before one of them signs under it
  /// (``sign(under:ofStoreAt:)``).
  ///
  /// - Throws: what ``rotate(ofStoreAt:keeping:)`` throws.
  @discardableResult
  public static func add(ofStoreAt path: FilePath) throws(StoreError) -> Keyring {
    try add(in: KeyPlace(ofStoreAt: path))
  }

  package static func add(in place: KeyPlace) throws(StoreError) -> Keyring {
    try change(place) { ring in
      if ring == nil {
        ring = Keyring(of: place.store)
      } else if ring?.keys.count ?? 0 < maximumCount {
        ring?.add()
      }
    }
  }

  /// Makes one of a store's keys the one that signs from now on.
  ///
  /// - Throws: what ``rotate(ofStoreAt:keeping:)`` throws, and ``StoreError/noKey(_:path:)``.
  @discardableResult
  public static func sign(under id: UInt8, ofStoreAt path: FilePath) throws(StoreError) -> Keyring {
    try sign(under: id, in: KeyPlace(ofStoreAt: path))
  }

  package static func sign(under id: UInt8, in place: KeyPlace) throws(StoreError) -> Keyring {
    guard let ring = try Keyring(in: place), ring.key(id) != nil else {
      throw .noKey(id, path: place.files.path)
    }
    return try change(place) { ring in if ring?.key(id) != nil { ring?.signer = id } }
  }

  /// Gives a store the keys of another one, so that each store accepts the tokens by value that the
  /// other one signed. This replaces the store's own keys, whatever the state of their file.
  ///
  /// - Parameters:
  ///   - other: the other store's directory, or a single file `keys`: a saved copy of it, or a file
  ///     that was copied into this store's directory.
  ///   - path: the store's directory.
  /// - Throws: what ``rotate(ofStoreAt:keeping:)`` throws, for either store, and
  ///   ``StoreError/noKeys(path:)`` if the other store has no keys.
  @discardableResult
  public static func share(from other: FilePath, withStoreAt path: FilePath) throws(StoreError)
    -> Keyring
  {
    guard let theirs = try Keyring(ofStoreOrFileAt: other) else { throw .noKeys(path: other) }
    return try theirs.share(with: KeyPlace(ofStoreAt: path))
  }

  /// Makes these the keys of a store (``share(from:withStoreAt:)``).
  package func share(with place: KeyPlace) throws(StoreError) -> Keyring {
    var shared = self
    shared.store = place.store
    return try Self.locked(place.files) { [shared] () throws(StoreError) in shared }
  }

  /// Reads the ring of a store in a directory, or the ring in a file of keys.
  package init?(ofStoreOrFileAt path: FilePath) throws(StoreError) {
    var found: Keyring?
    if (try? OpenDirectory(path)) == nil, let name = path.lastComponent,
      let directory = try? OpenDirectory(
        path.removingLastComponent().isEmpty ? "." : path.removingLastComponent()),
      directory.has(name)
    {
      found = try Self.read(name, in: directory)
    } else {
      found = try Keyring(ofStoreAt: path)
    }
    guard let found else { return nil }
    self = found
  }

  /// Returns the ring of a store. Makes one with a first key if the store has none.
  static func readOrMake(in files: any SmallFiles, of store: UInt64) throws(StoreError)
    -> Keyring
  {
    if let ring = try read(in: files, of: store) { return ring }
    return try change(KeyPlace(files: files, store: store)) { ring in
      ring = ring ?? Keyring(of: store)
    }
  }

  private static func change(
    _ place: KeyPlace, _ body: (inout Keyring?) -> Void
  ) throws(StoreError) -> Keyring {
    try locked(place.files) { () throws(StoreError) in
      var ring = try read(in: place.files, of: place.store)
      body(&ring)
      return ring
    }
  }

  /// Writes the ring that a body returns, one process at a time.
  private static func locked(
    _ files: any SmallFiles, _ body: () throws(StoreError) -> Keyring?
  ) throws(StoreError) -> Keyring {
    try files.exclusively { () throws(StoreError) in
      guard let ring = try body() else { throw .noKeys(path: files.path) }
      try ring.write(in: files)
      return ring
    }
  }
}

/// Where a store has its keys. A server may have the store open.
package struct KeyPlace: Sendable {
  let files: any SmallFiles
  /// The store's number.
  let store: UInt64

  init(files: any SmallFiles, store: UInt64) { (self.files, self.store) = (files, store) }

  /// Finds the store in a directory.
  package init(ofStoreAt path: FilePath) throws(StoreError) {
    let directory = try OpenDirectory(ofStoreAt: path)
    guard let state = try StateFile.read(in: directory) else { throw .noStore(path: path) }
    self.init(files: directory, store: state.store)
  }
}

extension Store {
  package var keyPlace: KeyPlace { KeyPlace(files: files, store: number) }
}
