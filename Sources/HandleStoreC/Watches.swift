// handlestore.h documents the functions.
// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation

public import CHandleStore
internal import HandleStore
internal import SystemPackage

// MARK: Moves and copies

@c @implementation
public func hs_copy_up(
  _ store: OpaquePointer!, _ node: UInt64, _ filesystem: UInt32, _ copy: UnsafePointer<hs_file>!,
  _ registration: UnsafeMutablePointer<hs_registration>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let file = unsafe try FoundFile(require(copy, "copy"))
    let result = unsafe try require(registration, "registration")
    unsafe result.pointee = hs_registration(
      try store.copyUp(
        NodeID(rawValue: node), to: file, on: FilesystemID(c: filesystem)))
  }
}

@c @implementation
public func hs_record_move(
  _ store: OpaquePointer!, _ filesystem: UInt32, _ file: UnsafePointer<hs_file>!,
  _ directory: UInt64, _ node: UnsafeMutablePointer<UInt64>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let file = unsafe try FoundFile(require(file, "file"))
    let found = try store.recordMove(
      of: file, on: FilesystemID(c: filesystem), into: NodeID(rawValue: directory))
    unsafe node?.pointee = found?.rawValue ?? 0
  }
}

// MARK: Watches

@c @implementation
public func hs_watch(
  _ store: OpaquePointer!, _ node: UInt64, _ mask: UInt32, _ watcher: UInt64,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    unsafe try object(store, "store", as: Store.self).watch(
      NodeID(rawValue: node), mask: WatchMask(rawValue: mask), by: WatcherID(rawValue: watcher))
  }
}

@c @implementation
public func hs_unwatch(
  _ store: OpaquePointer!, _ node: UInt64, _ watcher: UInt64,
  _ ended: UnsafeMutablePointer<CInt>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let wasThere = try store.unwatch(NodeID(rawValue: node), by: WatcherID(rawValue: watcher))
    unsafe ended?.pointee = wasThere ? 1 : 0
  }
}

@c @implementation
public func hs_watchers(
  _ store: OpaquePointer!, _ node: UInt64, _ watchers: UnsafeMutablePointer<hs_watch_mask>!,
  _ capacity: Int, _ count: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    unsafe try requireRoom(watchers, capacity)
    let found = try store.watches(of: NodeID(rawValue: node)).map {
      hs_watch_mask(id: $0.watcher.rawValue, mask: $0.mask.rawValue, reserved: 0)
    }
    unsafe write(found, to: watchers, capacity)
    unsafe count?.pointee = found.count
  }
}

@c @implementation
public func hs_watched(
  _ store: OpaquePointer!, _ start: UInt64, _ nodes: UnsafeMutablePointer<hs_watch_mask>!,
  _ capacity: Int, _ count: UnsafeMutablePointer<Int>!, _ next: UnsafeMutablePointer<UInt64>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let (first, limit) = unsafe (try require(nodes, "nodes"), try room(capacity))
    let (count, next) = unsafe (try require(count, "count"), try require(next, "next"))
    let page = try store.watchedNodes(from: NodeID(rawValue: start), limit: limit)
    for (i, node) in page.nodes.enumerated() {
      unsafe first[i] = hs_watch_mask(
        id: node.id.rawValue, mask: node.mask.rawValue, reserved: 0)
    }
    unsafe count.pointee = page.nodes.count
    unsafe next.pointee = page.next?.rawValue ?? 0
  }
}

@c @implementation
public func hs_deletions(
  _ store: OpaquePointer!, _ nodes: UnsafeMutablePointer<UInt64>!, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>!, _ overflowed: UnsafeMutablePointer<CInt>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let (first, limit) = unsafe (try require(nodes, "nodes"), try room(capacity))
    let count = unsafe try require(count, "count")
    let taken = try store.deletions(atMost: limit)
    for (i, node) in taken.nodes.enumerated() { unsafe first[i] = node.rawValue }
    unsafe count.pointee = taken.nodes.count
    unsafe overflowed?.pointee = taken.overflowed ? 1 : 0
  }
}

@c @implementation
public func hs_sweep(
  _ store: OpaquePointer!, _ start: UInt64, _ nodes: UnsafeMutablePointer<UInt64>!,
  _ capacity: Int, _ step: UnsafeMutablePointer<hs_sweep_step>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let (first, limit) = unsafe (try require(nodes, "nodes"), try room(capacity))
    let result = unsafe try require(step, "step")
    let done = try store.sweep(from: NodeID(rawValue: start), limit: limit)
    for (i, node) in done.deletions.nodes.enumerated() { unsafe first[i] = node.rawValue }
    unsafe result.pointee = hs_sweep_step(
      next: done.next?.rawValue ?? 0, present: UInt64(done.present), gone: UInt64(done.gone),
      skipped: UInt64(done.skipped), count: UInt64(done.deletions.nodes.count),
      overflowed: done.deletions.overflowed ? 1 : 0, reserved: 0)
  }
}
