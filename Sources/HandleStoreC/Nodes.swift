// handlestore.h documents the functions.
// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation

public import CHandleStore
internal import HandleStore
internal import SystemPackage

@c @implementation
public func hs_register(
  _ store: OpaquePointer!, _ filesystem: UInt32, _ file: UnsafePointer<hs_file>!,
  _ pins: OpaquePointer!, _ registration: UnsafeMutablePointer<hs_registration>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(registration, "registration")
    let done = unsafe try borrowing(store, "store", as: Store.self) { store in
      Result { () throws(StoreError) in
        unsafe try store.register(
          FoundFile(require(file, "file")), on: FilesystemID(c: filesystem),
          pinnedBy: HandleStoreC.pins(pins, of: store))
      }
    }
    unsafe result.pointee = hs_registration(try done.get())
  }
}

@c @implementation
public func hs_register_batch(
  _ store: OpaquePointer!, _ filesystem: UInt32, _ files: UnsafePointer<hs_file>!, _ count: Int,
  _ pins: OpaquePointer!, _ registrations: UnsafeMutablePointer<hs_registration>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let pins = unsafe try HandleStoreC.pins(pins, of: store)
    guard (0...largestBatch).contains(count) else {
      throw .badValue(
        "a batch has \(UInt(bitPattern: count)) files; it may have 0 to \(largestBatch)")
    }
    guard count > 0 else { return }
    let first = unsafe try require(files, "files")
    let results = unsafe try require(registrations, "registrations")
    var found: [FoundFile] = []
    found.reserveCapacity(count)
    for i in 0..<count { unsafe found.append(try FoundFile(first + i)) }
    let done = try store.register(
      batch: found, on: FilesystemID(c: filesystem), pinnedBy: pins)
    for i in 0..<count { unsafe results[i] = hs_registration(done[i]) }
  }
}

// The call that a server makes most often. For a node in memory it counts no reference and copies only
// the record.
@c @implementation
public func hs_get(
  _ store: OpaquePointer!, _ node: UInt64, _ result: UnsafeMutablePointer<hs_node>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(result, "result")
    let id = NodeID(rawValue: node)
    let record = unsafe try borrowing(store, "store", as: Store.self) { $0.cachedRecord(of: id) }
    if let record { return unsafe fill(result, id, record) }
    guard let node = unsafe try object(store, "store", as: Store.self).node(id) else {
      throw .unknownNode(id)
    }
    unsafe result.pointee = hs_node(node)
  }
}

@c @implementation
public func hs_find(
  _ store: OpaquePointer!, _ filesystem: UInt32, _ handle: UnsafePointer<hs_handle>!,
  _ result: UnsafeMutablePointer<hs_node>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let result = unsafe try require(result, "result")
    let handle = unsafe try KernelFileHandle(require(handle, "handle"))
    let node = try store.node(of: handle, on: FilesystemID(c: filesystem))
    unsafe result.pointee = node.map { hs_node($0) } ?? hs_node()
  }
}

@c @implementation
public func hs_open(
  _ store: OpaquePointer!, _ node: UInt64, _ mode: CInt, _ fd: UnsafeMutablePointer<CInt>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let result = unsafe try require(fd, "fd")
    let mode = try OpenMode(c: mode)
    unsafe result.pointee = try store.open(NodeID(rawValue: node), as: mode).rawValue
  }
}

@c @implementation
public func hs_retire(
  _ store: OpaquePointer!, _ node: UInt64, _ changed: UnsafeMutablePointer<CInt>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let wasLive = try store.retire(NodeID(rawValue: node))
    unsafe changed?.pointee = wasLive ? 1 : 0
  }
}

@c @implementation
public func hs_forget(
  _ store: OpaquePointer!, _ node: UInt64, _ dropped: UnsafeMutablePointer<CInt>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let isGone = try store.forget(NodeID(rawValue: node))
    unsafe dropped?.pointee = isGone ? 1 : 0
  }
}

@c @implementation
public func hs_evict(
  _ store: OpaquePointer!, _ dropped: UnsafeMutablePointer<UInt64>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let count = unsafe try object(store, "store", as: Store.self).evict()
    unsafe dropped?.pointee = UInt64(count)
  }
}

@c @implementation
public func hs_list(
  _ store: OpaquePointer!, _ start: UInt64, _ filesystem: UInt32, _ state: UInt32,
  _ nodes: UnsafeMutablePointer<hs_node>!, _ capacity: Int, _ count: UnsafeMutablePointer<Int>!,
  _ next: UnsafeMutablePointer<UInt64>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let first = unsafe try require(nodes, "nodes")
    let (count, next) = unsafe (try require(count, "count"), try require(next, "next"))
    let limit = try room(capacity)
    let wanted = UInt8(exactly: state).flatMap { NodeState(rawValue: $0) }
    guard wanted != nil || state == 0 else {
      throw .badValue("there is no state \(state); pass 0, HS_STATE_LIVE or HS_STATE_STALE")
    }
    let page = try store.nodes(
      from: NodeID(rawValue: start), limit: limit,
      on: filesystem == 0 ? nil : FilesystemID(c: filesystem), in: wanted)
    for (i, node) in page.nodes.enumerated() { unsafe first[i] = hs_node(node) }
    unsafe count.pointee = page.nodes.count
    unsafe next.pointee = page.next?.rawValue ?? 0
  }
}
