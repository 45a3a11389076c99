// handlestore.h documents the functions.
// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation

public import CHandleStore
internal import HandleStore
internal import SystemPackage

@c @implementation
public func hs_export_add(
  _ store: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ roots: UnsafePointer<CInt>!,
  _ count: Int, _ read_only: CInt, _ containment: CInt,
  _ export_: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(export_, "export_")
    unsafe result.pointee = nil
    let store = unsafe try object(store, "store", as: Store.self)
    let name = unsafe try text(name, "name")
    let first = unsafe try require(roots, "roots")
    guard (1...16).contains(count) else {
      throw .badValue("an export has \(UInt(bitPattern: count)) roots; it must have 1 to 16")
    }
    let roots = (0..<count).map { unsafe FileDescriptor(rawValue: first[$0]) }
    unsafe result.pointee = hold(
      try store.addExport(
        name, roots: roots, isReadOnly: read_only != 0, containment: Containment(c: containment)))
  }
}

@c @implementation
public func hs_export_open(
  _ store: OpaquePointer!, _ name: UnsafePointer<CChar>!,
  _ export_: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(export_, "export_")
    unsafe result.pointee = nil
    let store = unsafe try object(store, "store", as: Store.self)
    unsafe result.pointee = hold(try store.openExport(text(name, "name")))
  }
}

@c @implementation
public func hs_export_remove(
  _ store: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    unsafe try object(store, "store", as: Store.self).removeExport(text(name, "name"))
  }
}

@c @implementation
public func hs_export_free(_ export_: OpaquePointer!) {
  _ = unsafe release(export_, as: Export.self)
}

@c @implementation
public func hs_export_root(_ export_: OpaquePointer!) -> UInt64 {
  unsafe (try? object(export_, "export_", as: Export.self).root.rawValue) ?? 0
}

// MARK: Files

@c @implementation
public func hs_lookup(
  _ export_: OpaquePointer!, _ parent: UnsafePointer<hs_reference>!,
  _ name: UnsafePointer<CChar>!, _ length: Int, _ token_limit: UInt32, _ pins: OpaquePointer!,
  _ entry: UnsafeMutablePointer<hs_entry>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let export = unsafe try object(export_, "export_", as: Export.self)
    let result = unsafe try require(entry, "entry")
    let found = unsafe try export.lookup(
      entryName(name, length), in: FileReference(parent, "parent"), form: TokenForm(token_limit),
      pinnedBy: HandleStoreC.pins(pins, of: export.store))
    unsafe result.pointee = found.map { hs_entry($0) } ?? .none
  }
}

@c @implementation
public func hs_lookup_reference(
  _ export_: OpaquePointer!, _ file: UnsafePointer<hs_reference>!, _ token_limit: UInt32,
  _ pins: OpaquePointer!, _ entry: UnsafeMutablePointer<hs_entry>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let export = unsafe try object(export_, "export_", as: Export.self)
    let result = unsafe try require(entry, "entry")
    unsafe result.pointee = hs_entry(
      try export.lookup(
        FileReference(file, "file"), form: TokenForm(token_limit),
        pinnedBy: HandleStoreC.pins(pins, of: export.store)))
  }
}

@c @implementation
public func hs_create_or_open(
  _ export_: OpaquePointer!, _ parent: UnsafePointer<hs_reference>!,
  _ name: UnsafePointer<CChar>!, _ length: Int, _ mode: CInt, _ permissions: UInt32,
  _ token_limit: UInt32, _ pins: OpaquePointer!, _ entry: UnsafeMutablePointer<hs_entry>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let export = unsafe try object(export_, "export_", as: Export.self)
    let result = unsafe try require(entry, "entry")
    let mode = try OpenMode(c: mode)
    guard mode != .path else { throw .badValue("HS_OPEN_PATH opens no file that could be created") }
    unsafe result.pointee = hs_entry(
      try export.createOrOpen(
        component(name, length), in: FileReference(parent, "parent"), as: mode,
        permissions: permissions, form: TokenForm(token_limit),
        pinnedBy: HandleStoreC.pins(pins, of: export.store)))
  }
}

@c @implementation
public func hs_open_reference(
  _ export_: OpaquePointer!, _ file: UnsafePointer<hs_reference>!, _ mode: CInt,
  _ fd: UnsafeMutablePointer<CInt>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let export = unsafe try object(export_, "export_", as: Export.self)
    let result = unsafe try require(fd, "fd")
    unsafe result.pointee = try export.open(
      FileReference(file, "file"), as: OpenMode(c: mode)
    ).rawValue
  }
}

@c @implementation
public func hs_token_of(
  _ export_: OpaquePointer!, _ node: UInt64, _ token_limit: UInt32,
  _ token: UnsafeMutablePointer<hs_token>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let export = unsafe try object(export_, "export_", as: Export.self)
    let result = unsafe try require(token, "token")
    unsafe result.pointee = hs_token(
      try export.token(for: NodeID(rawValue: node), form: TokenForm(token_limit)))
  }
}

// MARK: Values

extension Containment {
  /// The containment that a caller wants; `nil` for any.
  init?(c containment: CInt) throws(StoreError) {
    switch Int(containment) {
    case HS_CONTAINMENT_ANY: return nil
    case HS_CONTAINMENT_WHOLE_FILESYSTEM: self = .wholeFilesystem
    case HS_CONTAINMENT_KERNEL: self = .kernel
    case HS_CONTAINMENT_CACHED: self = .cached
    case HS_CONTAINMENT_WALK: self = .walk
    default: throw .badValue("there is no containment \(containment); pass one of HS_CONTAINMENT_…")
    }
  }
}

extension TokenForm {
  /// The form of tokens of at most `limit` bytes.
  fileprivate init(_ limit: UInt32) throws(StoreError) {
    guard limit == HS_TOKEN_REFERENCE || (HS_TOKEN_NFS3...HS_TOKEN_MAX).contains(Int(limit)) else {
      throw .badValue("the limit of a token is \(limit); it is 32, or 64 to 128")
    }
    self = limit == UInt32(HS_TOKEN_REFERENCE) ? .reference : .value(atMost: Int(limit))
  }
}

extension FileReference {
  /// What a client names.
  fileprivate init(
    _ reference: UnsafePointer<hs_reference>?, _ name: StaticString
  ) throws(StoreError) {
    let given = unsafe try require(reference, name).pointee
    let node = unsafe NodeID(known: given.node)
    let token = unsafe try given.token.map { (t) throws(StoreError) in unsafe try Token(t) }
    switch (node, token) {
    case (let node?, nil): self = .node(node)
    case (nil, let token?): self = .token(token)
    case (let node?, let token?): self = .nodeOrToken(node, token)
    case (nil, nil): throw .badValue("\(name) names no file; give it a node or a token")
    }
  }
}

extension Token {
  fileprivate init(_ token: UnsafePointer<hs_token>) throws(StoreError) {
    let length = unsafe Int(token.pointee.length)
    guard length <= Self.maximumLength else { throw .refused(.length) }
    let bytes = unsafe withUnsafeBytes(of: token.pointee.bytes) { unsafe Array($0.prefix(length)) }
    self.init(bytes: bytes)
  }
}

extension hs_token {
  fileprivate init(_ token: Token) {
    self.init()
    length = UInt32(token.bytes.count)
    unsafe withUnsafeMutableBytes(of: &bytes) { unsafe $0.copyBytes(from: token.bytes) }
  }
}

extension hs_entry {
  /// The entry of a name that does not exist.
  fileprivate static var none: hs_entry {
    var none = hs_entry()
    none.fd = -1
    return none
  }

  fileprivate init(_ entry: ExportEntry) {
    self.init()
    file = hs_file(FoundFile(handle: entry.handle, status: entry.status))
    attributes = hs_attributes(entry.attributes)
    registration = hs_registration(entry.registration)
    token = hs_token(entry.token)
    fd = entry.descriptor?.rawValue ?? -1
    was_created = entry.wasCreated ? 1 : 0
  }
}

extension hs_attributes {
  fileprivate init(_ attributes: FileAttributes) {
    self.init(
      uid: attributes.owner, gid: attributes.group, rdev: attributes.deviceNumber,
      blocks: attributes.blocks, atime: attributes.accessed.seconds,
      mtime: attributes.modified.seconds, ctime: attributes.changed.seconds,
      atime_nsec: attributes.accessed.nanoseconds, mtime_nsec: attributes.modified.nanoseconds,
      ctime_nsec: attributes.changed.nanoseconds, block_size: attributes.blockSize)
  }
}
