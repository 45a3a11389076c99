// handlestore.h documents the functions.
// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation

public import CHandleStore
internal import HandleStore
internal import SystemPackage

@c @implementation
public func hs_pins_open(
  _ store: OpaquePointer!, _ fd: CInt, _ pins: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let result = unsafe try require(pins, "pins")
    unsafe result.pointee = hold(try store.pins(in: FileDescriptor(rawValue: fd)))
  }
}

@c @implementation
public func hs_pins_free(_ store: OpaquePointer!, _ pins: OpaquePointer!) {
  guard let released = unsafe release(pins, as: Pins.self) else { return }
  unsafe try? object(store, "store", as: Store.self).remove(released)
}

@c @implementation
public func hs_pin(
  _ store: OpaquePointer!, _ node: UInt64, _ count: UInt64, _ pins: OpaquePointer!,
  _ pinned: UnsafeMutablePointer<CInt>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let pins = unsafe try object(pins, "pins", as: Pins.self)
    let isThere = try store.pin(NodeID(rawValue: node), count: count, by: pins)
    unsafe pinned?.pointee = isThere ? 1 : 0
  }
}

@c @implementation
public func hs_unpin(
  _ pins: OpaquePointer!, _ node: UInt64, _ count: UInt64, _ left: UnsafeMutablePointer<UInt64>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let pins = unsafe try object(pins, "pins", as: Pins.self)
    let rest = pins.unpin(NodeID(rawValue: node), count: count)
    unsafe left?.pointee = rest
  }
}

@c @implementation
public func hs_unpin_all(
  _ pins: OpaquePointer!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    unsafe try object(pins, "pins", as: Pins.self).unpinAll()
  }
}

@c @implementation
public func hs_pin_count(
  _ pins: OpaquePointer!, _ node: UInt64, _ count: UnsafeMutablePointer<UInt64>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let pins = unsafe try object(pins, "pins", as: Pins.self)
    let result = unsafe try require(count, "count")
    unsafe result.pointee = pins.count(of: NodeID(rawValue: node))
  }
}
