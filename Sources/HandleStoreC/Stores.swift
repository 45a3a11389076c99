// handlestore.h documents the functions.
// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation

public import CHandleStore
internal import HandleStore
internal import SystemPackage

@c @implementation
public func hs_strerror(_ code: CInt) -> UnsafePointer<CChar>! {
  unsafe summary(of: code).utf8Start.cString
}

extension UnsafePointer<UInt8> {
  fileprivate var cString: UnsafePointer<CChar> {
    unsafe UnsafeRawPointer(self).assumingMemoryBound(to: CChar.self)
  }
}

// MARK: Opening and closing

@c @implementation
public func hs_store_open(
  _ path: UnsafePointer<CChar>!, _ options: UnsafePointer<hs_store_options>!,
  _ store: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(store, "store")
    unsafe result.pointee = nil
    let path = unsafe FilePath(platformString: try require(path, "path"))
    unsafe result.pointee = hold(try Store(at: path, options: StoreOptions(options)))
  }
}

@c @implementation
public func hs_store_open_in_memory(
  _ options: UnsafePointer<hs_store_options>!, _ store: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(store, "store")
    unsafe result.pointee = nil
    unsafe result.pointee = hold(Store(inMemory: try StoreOptions(options)))
  }
}

@c @implementation
public func hs_store_close(
  _ store: OpaquePointer!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    unsafe try object(store, "store", as: Store.self).close()
  }
}

@c @implementation
public func hs_store_free(_ store: OpaquePointer!) {
  // A failed flush loses nothing that was acknowledged; hs_store_close reports it.
  unsafe try? release(store, as: Store.self)?.close()
}

@c @implementation
public func hs_store_generation(_ store: OpaquePointer!) -> UInt32 {
  unsafe (try? object(store, "store", as: Store.self).incarnation) ?? 0
}

// MARK: Filesystems

@c @implementation
public func hs_attach(
  _ store: OpaquePointer!, _ fd: CInt, _ filesystem: UnsafeMutablePointer<UInt32>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let result = unsafe try require(filesystem, "filesystem")
    unsafe result.pointee = UInt32(try store.attach(FileDescriptor(rawValue: fd)).rawValue)
  }
}

@c @implementation
public func hs_attach_mounted(
  _ store: OpaquePointer!, _ filesystems: UnsafeMutablePointer<UInt32>!, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    unsafe try requireRoom(filesystems, capacity)
    let ids = try store.attachMounted().map { UInt32($0.rawValue) }
    unsafe write(ids, to: filesystems, capacity)
    unsafe count?.pointee = ids.count
  }
}

@c @implementation
public func hs_detach(
  _ store: OpaquePointer!, _ filesystem: UInt32, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    unsafe try object(store, "store", as: Store.self).detach(FilesystemID(c: filesystem))
  }
}

// MARK: Files

@c @implementation
public func hs_file_of(
  _ fd: CInt, _ parent: UInt64, _ file: UnsafeMutablePointer<hs_file>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(file, "file")
    unsafe result.pointee = hs_file(
      try FoundFile(of: FileDescriptor(rawValue: fd), parent: NodeID(known: parent)))
  }
}

@c @implementation
public func hs_file_at(
  _ directory: CInt, _ name: UnsafePointer<CChar>!, _ length: Int, _ parent: UInt64,
  _ file: UnsafeMutablePointer<hs_file>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(file, "file")
    unsafe result.pointee = hs_file(
      try FoundFile(
        name: component(name, length), in: FileDescriptor(rawValue: directory),
        parent: NodeID(known: parent)))
  }
}
