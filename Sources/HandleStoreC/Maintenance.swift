// handlestore.h documents the functions.
// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation

public import CHandleStore
internal import HandleStore
internal import SystemPackage

@c @implementation
public func hs_store_statistics(
  _ store: OpaquePointer!, _ statistics: UnsafeMutablePointer<hs_statistics>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    let result = unsafe try require(statistics, "statistics")
    let size = unsafe min(Int(result.pointee.size), MemoryLayout<hs_statistics>.size)
    guard size >= 88 else {
      throw .badValue("the statistics have no size; begin with HS_STATISTICS_INIT")
    }
    let counts = hs_statistics(store.statistics, size: UInt32(size))
    // A caller of an earlier version has room for less of it.
    unsafe withUnsafeBytes(of: counts) {
      unsafe UnsafeMutableRawBufferPointer(start: result, count: size).copyBytes(
        from: $0.prefix(size))
    }
  }
}

extension hs_statistics {
  fileprivate init(_ counts: Statistics, size: UInt32) {
    self.init()
    self.size = size
    (created, existing, replaced) = (counts.created, counts.existing, counts.replaced)
    (retired, dropped) = (counts.retired, counts.dropped)
    (gets, cache_hits) = (counts.gets, counts.cacheHits)
    (opened, compared, admitted) = (counts.opened, counts.compared, counts.admitted)
    unsafe withUnsafeMutableBytes(of: &refused) { bytes in
      let numbers = unsafe bytes.bindMemory(to: UInt64.self)
      for (refusal, count) in counts.gateRefusals where refusal.rawValue + 1 < numbers.count {
        unsafe numbers[refusal.rawValue + 1] = count
      }
    }
  }
}

@c @implementation
public func hs_store_backup(
  _ store: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let store = unsafe try object(store, "store", as: Store.self)
    unsafe try store.backup(to: FilePath(platformString: require(path, "path")))
  }
}

@c @implementation
public func hs_store_check(
  _ path: UnsafePointer<CChar>!, _ findings: UnsafeMutablePointer<UInt64>!,
  _ text: UnsafeMutablePointer<CChar>!, _ capacity: Int, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let path = unsafe FilePath(platformString: try require(path, "path"))
    let result = unsafe try require(findings, "findings")
    unsafe try requireRoom(text, capacity)
    let report = try Store.check(at: path, findings: 100)
    if capacity != 0 {
      let lines = report.findings.map(\.description).joined(separator: "\n")
      unsafe copy(lines, to: try require(text, "text"), capacity)
    }
    unsafe result.pointee = UInt64(report.findingCount)
  }
}

/// Writes text and a NUL, as much as there is room for.
private func copy(_ text: String, to start: UnsafeMutablePointer<CChar>, _ capacity: Int) {
  let most = capacity < 0 ? Int.max : capacity - 1
  var length = 0
  for byte in text.utf8.prefix(most) {
    unsafe start[length] = CChar(bitPattern: byte)
    length += 1
  }
  unsafe start[length] = 0
}
