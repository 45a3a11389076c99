// handlestore.h documents the functions.
// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation

public import CHandleStore
internal import HandleStore
internal import SystemPackage

/// The pins of a client, and the store whose nodes they hold.
final class ClientPins {
  let store: Store
  let pins: Pins

  init(_ pins: Pins, of store: Store) { (self.pins, self.store) = (pins, store) }
}

/// Returns a client's pins, if they are of this store; `nil` for NULL.
func pins(_ pointer: OpaquePointer?, of store: Store) throws(StoreError) -> Pins? {
  guard let client = unsafe try optional(pointer, "pins", as: ClientPins.self) else { return nil }
  guard client.store === store else { throw .badValue("the pins are of another store") }
  return client.pins
}

@c @implementation
public func hs_pins_open(
  _ store: OpaquePointer!, _ fd: CInt, _ pins: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(pins, "pins")
    unsafe result.pointee = nil
    let store = unsafe try object(store, "store", as: Store.self)
    unsafe result.pointee = hold(
      ClientPins(try store.pins(in: FileDescriptor(rawValue: fd)), of: store))
  }
}

@c @implementation
public func hs_pins_free(_ pins: OpaquePointer!) {
  guard let client = unsafe release(pins, as: ClientPins.self) else { return }
  client.store.remove(client.pins)
}

@c @implementation
public func hs_pin(
  _ store: OpaquePointer!, _ node: UInt64, _ count: UInt64, _ pins: OpaquePointer!,
  _ pinned: UnsafeMutablePointer<CInt>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    guard let pins = unsafe try HandleStoreC.pins(pins, of: store) else {
      throw .badValue("pins is NULL; pass a pointer")
    }
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
    let pins = unsafe try object(pins, "pins", as: ClientPins.self).pins
    let rest = pins.unpin(NodeID(rawValue: node), count: count)
    unsafe left?.pointee = rest
  }
}

@c @implementation
public func hs_pinned(
  _ pins: OpaquePointer!, _ nodes: UnsafeMutablePointer<UInt64>!, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let pins = unsafe try object(pins, "pins", as: ClientPins.self).pins
    unsafe try requireRoom(nodes, capacity)
    let pinned = pins.nodes.map(\.rawValue)
    unsafe write(pinned, to: nodes, capacity)
    unsafe count?.pointee = pinned.count
  }
}

@c @implementation
public func hs_unpin_all(
  _ pins: OpaquePointer!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    unsafe try object(pins, "pins", as: ClientPins.self).pins.unpinAll()
  }
}

@c @implementation
public func hs_pin_count(
  _ pins: OpaquePointer!, _ node: UInt64, _ count: UnsafeMutablePointer<UInt64>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let pins = unsafe try object(pins, "pins", as: ClientPins.self).pins
    let result = unsafe try require(count, "count")
    unsafe result.pointee = pins.count(of: NodeID(rawValue: node))
  }
}
