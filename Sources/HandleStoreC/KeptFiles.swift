// handlestore.h documents the functions.
// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation

public import CHandleStore
internal import HandleStore
internal import SystemPackage

@c @implementation
public func hs_kept_files_open(
  _ store: OpaquePointer!, _ directory: CInt, _ limit: Int, _ parking: OpaquePointer!,
  _ kept: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(kept, "kept")
    unsafe result.pointee = nil
    let store = unsafe try object(store, "store", as: Store.self)
    let files = try store.keepFiles(
      below: FileDescriptor(rawValue: directory), limit: limit,
      parking: unsafe optional(parking, "parking", as: Parking.self))
    unsafe result.pointee = hold(files)
  }
}

@c @implementation
public func hs_kept_files_free(_ kept: OpaquePointer!) {
  _ = unsafe release(kept, as: KeptFiles.self)
}

@c @implementation
public func hs_kept_files_register(
  _ kept: OpaquePointer!, _ fd: CInt, _ parent: UInt64, _ pins: OpaquePointer!,
  _ registration: UnsafeMutablePointer<hs_registration>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let files = unsafe try object(kept, "kept", as: KeptFiles.self)
    let result = unsafe try require(registration, "registration")
    let done = try files.register(
      FileDescriptor(rawValue: fd), in: parent == 0 ? nil : NodeID(rawValue: parent),
      pinnedBy: unsafe HandleStoreC.pins(pins, of: files.store))
    unsafe result.pointee = hs_registration(done)
  }
}

@c @implementation
public func hs_kept_files_give_up(
  _ kept: OpaquePointer!, _ node: UInt64, _ gone: UnsafeMutablePointer<CInt>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let files = unsafe try object(kept, "kept", as: KeptFiles.self)
    let isGone = try files.giveUp(NodeID(rawValue: node))
    unsafe gone?.pointee = isGone ? 1 : 0
  }
}

@c @implementation
public func hs_kept_files_state(
  _ kept: OpaquePointer!, _ root: UnsafeMutablePointer<UInt64>!,
  _ count: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let files = unsafe try object(kept, "kept", as: KeptFiles.self)
    unsafe root?.pointee = files.root.rawValue
    unsafe count?.pointee = files.count
  }
}

@c @implementation
public func hs_kept_files_least_used(
  _ kept: OpaquePointer!, _ nodes: UnsafeMutablePointer<UInt64>!, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let files = unsafe try object(kept, "kept", as: KeptFiles.self)
    let (first, limit) = unsafe (try require(nodes, "nodes"), try room(capacity))
    let result = unsafe try require(count, "count")
    let found = files.leastRecentlyUsed(limit)
    for (i, node) in found.enumerated() { unsafe first[i] = node.rawValue }
    unsafe result.pointee = found.count
  }
}
