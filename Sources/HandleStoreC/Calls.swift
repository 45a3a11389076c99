internal import CHandleStore
internal import HandleStore
internal import SystemPackage

// The C functions are `@implementation`s: the compiler checks each against its declaration in
// handlestore.h, which is the contract. None of them traps, whatever it is passed.

/// Runs the body of a C function, and turns an error into its code.
@inline(__always)
func call(
  _ error: UnsafeMutablePointer<hs_error>?, _ body: () throws(StoreError) -> Void
) -> CInt {
  do throws(StoreError) {
    try body()
    return 0
  } catch let thrown {
    unsafe fill(error, thrown)
    return thrown.code.rawValue
  }
}

/// Describes an error to the caller, as far as the caller's version of the struct has room.
@inline(never)
private func fill(_ error: UnsafeMutablePointer<hs_error>?, _ thrown: StoreError) {
  guard let error = unsafe error else { return }
  // A caller of an earlier version may have room for less.
  let size = unsafe min(Int(error.pointee.size), MemoryLayout<hs_error>.size)
  guard size > textOffset else { return }
  unsafe error.pointee.code = thrown.code.rawValue
  unsafe error.pointee.errnum = thrown.errno.rawValue
  if case .refused(let refusal) = thrown {
    unsafe error.pointee.refusal = CInt(refusal.rawValue + 1)
  } else {
    unsafe error.pointee.refusal = 0
  }
  // Swift does not see the last member, `text`, because it has more than 4,096 elements.
  let start = unsafe UnsafeMutableRawPointer(error) + textOffset
  // The name of a file may contain anything, but the text is one line.
  let text = thrown.description.utf8.prefix(size - textOffset - 1).map { $0 < 0x20 ? 0x3f : $0 }
  unsafe UnsafeMutableRawBufferPointer(start: start, count: text.count).copyBytes(from: text)
  unsafe start.storeBytes(of: 0, toByteOffset: text.count, as: UInt8.self)
}

private let textOffset =
  (MemoryLayout<hs_error>.offset(of: \.refusal) ?? 0) + MemoryLayout<Int32>.size

/// Throws unless an argument is there.
@inline(__always)
func require<T>(_ pointer: T?, _ name: StaticString) throws(StoreError) -> T {
  guard let pointer else { throw .badValue("\(name) is NULL; pass a pointer") }
  return pointer
}

// MARK: Objects

/// A kind of object that C holds.
protocol Held: AnyObject {
  /// What marks objects of this kind in memory.
  static var mark: UInt64 { get }
}

extension Store: Held { static var mark: UInt64 { 0x6873_5f73_746f_7265 } }
extension Export: Held { static var mark: UInt64 { 0x6873_5f65_7870_6f72 } }
extension IntentJournal: Held { static var mark: UInt64 { 0x6873_5f6a_6f75_726e } }
extension OpenFiles: Held { static var mark: UInt64 { 0x6873_5f6f_7065_6e66 } }
extension Parking: Held { static var mark: UInt64 { 0x6873_5f70_6172_6b69 } }
extension ParkedFiles: Held { static var mark: UInt64 { 0x6873_5f70_6172_6b65 } }
extension KeptFiles: Held { static var mark: UInt64 { 0x6873_5f6b_6570_7421 } }
extension ClientPins: Held { static var mark: UInt64 { 0x6873_5f70_696e_7321 } }

/// What an opaque pointer points to: the mark tells an object from one of another kind, and from one
/// that was freed as long as its memory was not used again.
@safe private struct Holder {
  var mark: UInt64
  var forkCount: UInt32
  var object: Unmanaged<AnyObject>
}

/// Hands an object to C.
func hold<T: Held>(_ object: T) -> OpaquePointer {
  let holder = UnsafeMutablePointer<Holder>.allocate(capacity: 1)
  unsafe holder.initialize(
    to: Holder(
      mark: T.mark, forkCount: ForkCount.now, object: Unmanaged.passRetained(object as AnyObject)))
  return OpaquePointer(holder)
}

@inline(__always)
private func holder<T: Held>(
  _ pointer: OpaquePointer?, _ name: StaticString, of type: T.Type
) throws(StoreError) -> UnsafeMutablePointer<Holder> {
  let holder = unsafe UnsafeMutablePointer<Holder>(try require(pointer, name))
  guard unsafe holder.pointee.mark == T.mark else {
    throw .badValue("\(name) is not an object of this kind, or was freed")
  }
  guard unsafe holder.pointee.forkCount == ForkCount.now else { throw .forked }
  return unsafe holder
}

/// Returns the object that C holds.
@inline(__always)
func object<T: Held>(
  _ pointer: OpaquePointer?, _ name: StaticString, as type: T.Type = T.self
) throws(StoreError) -> T {
  let holder = unsafe try holder(pointer, name, of: T.self)
  return unsafe unsafeDowncast(holder.pointee.object.takeUnretainedValue(), to: T.self)
}

/// Passes the object that C holds to a body, without counting a reference to it.
@inline(__always)
func borrowing<T: Held, R>(
  _ pointer: OpaquePointer?, _ name: StaticString, as type: T.Type, _ body: (T) -> R
) throws(StoreError) -> R {
  let holder = unsafe try holder(pointer, name, of: T.self)
  return unsafe holder.pointee.object._withUnsafeGuaranteedRef {
    unsafe body(unsafeDowncast($0, to: T.self))
  }
}

/// Returns the object that C holds, or `nil` for NULL.
@inline(__always)
func optional<T: Held>(
  _ pointer: OpaquePointer?, _ name: StaticString, as type: T.Type = T.self
) throws(StoreError) -> T? {
  guard let pointer = unsafe pointer else { return nil }
  return unsafe try object(pointer, name)
}

/// Takes an object back from C. Returns `nil` if there is none.
func release<T: Held>(_ pointer: OpaquePointer?, as type: T.Type = T.self) -> T? {
  guard let pointer = unsafe pointer else { return nil }
  let holder = unsafe UnsafeMutablePointer<Holder>(pointer)
  guard unsafe holder.pointee.mark == T.mark else { return nil }
  // In a forked child, another thread of the parent may have held a lock of the object for ever.
  guard unsafe holder.pointee.forkCount == ForkCount.now else { return nil }
  unsafe holder.pointee.mark = 0
  let object = unsafe holder.pointee.object.takeRetainedValue()
  unsafe holder.deallocate()
  return unsafe unsafeDowncast(object, to: T.self)
}
