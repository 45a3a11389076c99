// handlestore.h documents the functions.
// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation

public import CHandleStore
internal import HandleStore
internal import SystemPackage

@c @implementation
public func hs_open_files_open(
  _ fd: CInt, _ fuse: CInt, _ files: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(files, "files")
    unsafe result.pointee = nil
    unsafe result.pointee = hold(
      try OpenFiles(
        in: FileDescriptor(rawValue: fd), fuse: FileDescriptor(rawValue: fuse)))
  }
}

@c @implementation
public func hs_open_files_free(_ files: OpaquePointer!) {
  _ = unsafe release(files, as: OpenFiles.self)
}

@c @implementation
public func hs_open_files_add(
  _ files: OpaquePointer!, _ number: UInt64, _ node: UInt64, _ fd: CInt,
  _ backing_id: UnsafeMutablePointer<UInt32>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let files = unsafe try object(files, "files", as: OpenFiles.self)
    let result = unsafe try require(backing_id, "backing_id")
    unsafe result.pointee = try files.open(
      number, of: NodeID(rawValue: node), file: fd == -1 ? nil : FileDescriptor(rawValue: fd))
  }
}

@c @implementation
public func hs_open_files_remove(
  _ files: OpaquePointer!, _ number: UInt64, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    unsafe try object(files, "files", as: OpenFiles.self).close(number)
  }
}

@c @implementation
public func hs_open_files_remove_all(
  _ files: OpaquePointer!, _ node: UInt64, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    unsafe try object(files, "files", as: OpenFiles.self).closeAll(of: NodeID(rawValue: node))
  }
}

@c @implementation
public func hs_open_files_find(
  _ files: OpaquePointer!, _ number: UInt64, _ node: UnsafeMutablePointer<UInt64>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let files = unsafe try object(files, "files", as: OpenFiles.self)
    let result = unsafe try require(node, "node")
    unsafe result.pointee = files[number]?.rawValue ?? 0
  }
}

@c @implementation
public func hs_open_files_state(
  _ files: OpaquePointer!, _ node: UInt64, _ is_open: UnsafeMutablePointer<CInt>!,
  _ needs_parking: UnsafeMutablePointer<CInt>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let files = unsafe try object(files, "files", as: OpenFiles.self)
    let id = NodeID(rawValue: node)
    unsafe is_open?.pointee = files.isOpen(id) ? 1 : 0
    unsafe needs_parking?.pointee = files.needsParking(id) ? 1 : 0
  }
}

// MARK: Parking

@c @implementation
public func hs_parking_sockets(
  _ sockets: UnsafeMutablePointer<CInt>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(sockets, "sockets")
    let pair = try Parking.makeSockets()
    unsafe result[0] = pair.mine.rawValue
    unsafe result[1] = pair.its.rawValue
  }
}

@c @implementation
public func hs_parking_open(
  _ socket: CInt, _ parking: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(parking, "parking")
    unsafe result.pointee = nil
    unsafe result.pointee = hold(Parking(socket: FileDescriptor(rawValue: socket)))
  }
}

@c @implementation
public func hs_parking_free(_ parking: OpaquePointer!) {
  _ = unsafe release(parking, as: Parking.self)
}

@c @implementation
public func hs_park(
  _ parking: OpaquePointer!, _ fd: CInt, _ node: UInt64,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let parking = unsafe try object(parking, "parking", as: Parking.self)
    try parking.park(FileDescriptor(rawValue: fd), of: NodeID(rawValue: node))
  }
}

@c @implementation
public func hs_unpark(
  _ parking: OpaquePointer!, _ node: UInt64, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    unsafe try object(parking, "parking", as: Parking.self).release(NodeID(rawValue: node))
  }
}

@c @implementation
public func hs_parked_files_open(
  _ files: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(files, "files")
    unsafe result.pointee = nil
    unsafe result.pointee = hold(ParkedFiles())
  }
}

@c @implementation
public func hs_parked_files_free(_ files: OpaquePointer!) {
  _ = unsafe release(files, as: ParkedFiles.self)
}

@c @implementation
public func hs_parked_files_receive(
  _ files: OpaquePointer!, _ socket: CInt, _ more: UnsafeMutablePointer<CInt>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let files = unsafe try object(files, "files", as: ParkedFiles.self)
    let wasReceived = try files.receive(from: FileDescriptor(rawValue: socket))
    unsafe more?.pointee = wasReceived ? 1 : 0
  }
}
