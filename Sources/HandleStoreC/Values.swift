internal import CHandleStore
internal import HandleStore
internal import SystemPackage

extension FoundFile {
  /// The file that a caller describes.
  @inline(__always)
  init(_ file: UnsafePointer<hs_file>) throws(StoreError) {
    guard unsafe file.pointee.reserved == (0, 0, 0, 0) else {
      throw .badValue("a reserved member of a file is not 0; fill it with zeros before you use it")
    }
    // The handle is the first member. A pointer to it, because Swift would copy its bytes twice.
    let handle = unsafe try KernelFileHandle(
      UnsafeRawPointer(file).assumingMemoryBound(to: hs_handle.self))
    self.init(
      handle: handle,
      status: unsafe FileStatus(
        inode: file.pointee.inode, mode: file.pointee.mode, links: file.pointee.links,
        size: file.pointee.size, device: file.pointee.device),
      parent: unsafe NodeID(known: file.pointee.parent))
  }
}

extension KernelFileHandle {
  @inline(__always)
  init(_ handle: UnsafePointer<hs_handle>) throws(StoreError) {
    let length = unsafe Int(handle.pointee.length)
    guard (1...Self.maximumLength).contains(length) else {
      throw .badValue("a handle has \(length) bytes; it must have 1 to \(Self.maximumLength)")
    }
    var words = InlineArray<16, UInt64>(repeating: 0)
    let bytes = unsafe UnsafeRawPointer(handle) + hs_handle.bytesOffset
    let last = (length - 1) / 8
    for i in 0...last {
      words[i] = unsafe bytes.loadUnaligned(fromByteOffset: 8 * i, as: UInt64.self)
    }
    // The caller may have left anything in the bytes after the handle's own.
    words[last] &= .max >> UInt64(8 * (8 * (last + 1) - length))
    self.init(type: HandleType(rawValue: unsafe handle.pointee.type), length: length, words: words)
  }
}

extension hs_handle {
  /// The offset of the bytes.
  static let bytesOffset = MemoryLayout<hs_handle>.offset(of: \.bytes) ?? 0

  init(_ handle: KernelFileHandle) {
    self.init()
    length = UInt32(handle.length)
    type = handle.type.rawValue
    unsafe withUnsafeMutableBytes(of: &bytes) {
      unsafe $0.storeBytes(of: handle.words, as: InlineArray<16, UInt64>.self)
    }
  }
}

extension hs_file {
  init(_ file: FoundFile) {
    self.init()
    handle = hs_handle(file.handle)
    inode = file.status.inode
    size = file.status.size
    device = file.status.device
    parent = file.parent?.rawValue ?? 0
    mode = file.status.mode
    links = file.status.links
  }
}

extension hs_node {
  init(_ node: Node) {
    self.init()
    id = node.id.rawValue
    parent = node.parent?.rawValue ?? 0
    filesystem = UInt32(node.filesystem.rawValue)
    state = UInt32(node.state.rawValue)
    type = UInt32(node.type.rawValue)
    since = node.since
    handle = hs_handle(node.handle)
  }
}

/// Describes a node whose handle is in its record.
@inline(__always)
func fill(_ result: UnsafeMutablePointer<hs_node>, _ id: NodeID, _ record: Record) {
  unsafe result.pointee.id = id.rawValue
  unsafe result.pointee.parent = record.parent?.rawValue ?? 0
  unsafe result.pointee.filesystem = UInt32(record.filesystem.rawValue)
  unsafe result.pointee.state = UInt32(record.state?.rawValue ?? NodeState.stale.rawValue)
  unsafe result.pointee.type = UInt32(record.type.rawValue)
  unsafe result.pointee.since = record.since
  unsafe result.pointee.handle.length = UInt32(record.handleLength)
  unsafe result.pointee.handle.type = record.handleType.rawValue
  unsafe result.pointee.reserved = (0, 0)
  unsafe withUnsafeMutableBytes(of: &result.pointee.handle.bytes) { bytes in
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
    for i in 0..<3 {
      unsafe bytes.storeBytes(of: record.words[3 + i], toByteOffset: i * 8, as: UInt64.self)
    }
  }
}

extension hs_registration {
  init(_ registration: Registration) {
    self.init()
    node = registration.node.rawValue
    generation = registration.generation
    switch registration.outcome {
    case .created: outcome = UInt32(HS_OUTCOME_CREATED)
    case .existing: outcome = UInt32(HS_OUTCOME_EXISTING)
    case .replaced(let old): (outcome, replaced) = (UInt32(HS_OUTCOME_REPLACED), old.rawValue)
    case .stale: (outcome, node) = (UInt32(HS_OUTCOME_GONE), 0)
    }
  }
}

extension OpenMode {
  init(c mode: CInt) throws(StoreError) {
    switch Int(mode) {
    case HS_OPEN_PATH: self = .path
    case HS_OPEN_READ_ONLY: self = .readOnly
    case HS_OPEN_WRITE_ONLY: self = .writeOnly
    case HS_OPEN_READ_WRITE: self = .readWrite
    default: throw .badValue("there is no mode \(mode); pass HS_OPEN_PATH, HS_OPEN_READ_ONLY, …")
    }
  }
}

extension FilesystemID {
  /// A filesystem that a caller names.
  init(c id: UInt32) throws(StoreError) {
    guard let number = UInt16(exactly: id) else {
      throw .badValue("there is no filesystem \(id); pass what hs_attach returned")
    }
    self.init(rawValue: number)
  }
}

extension NodeID {
  /// A node that a caller names; 0 is none.
  init?(known id: UInt64) {
    guard id != 0 else { return nil }
    self.init(rawValue: id)
  }
}

extension StoreOptions {
  /// The options that a caller gave, or the usual ones.
  init(_ options: UnsafePointer<hs_store_options>?) throws(StoreError) {
    self.init()
    guard let options = unsafe options else { return }
    let given: hs_store_options = unsafe try versioned(
      options, firstSize: 40, remedy: "begin with HS_STORE_OPTIONS_INIT")
    switch Int(given.durability) {
    case HS_DURABILITY_PROCESS: durability = .process
    case HS_DURABILITY_POWER: durability = .power
    default:
      throw .badValue("there is no durability \(given.durability); pass one of HS_DURABILITY_…")
    }
    switch Int(given.retention) {
    case HS_RETAIN_FOREVER: retention = .forever
    case HS_RETAIN_SECONDS:
      guard let seconds = UInt32(exactly: given.retention_value) else {
        throw .badValue(
          "a retention of \(given.retention_value) seconds is too long; pass at most \(UInt32.max)")
      }
      retention = .seconds(seconds)
    case HS_RETAIN_NODES: retention = .nodes(Int(clamping: given.retention_value))
    default: throw .badValue("there is no retention \(given.retention); pass one of HS_RETAIN_…")
    }
    readOnly = given.read_only != 0
    cacheSize = Int(clamping: given.cache_size)
    limboLimit = Int(clamping: given.limbo_limit)
  }
}

/// Returns the name of a directory entry that a caller gave.
func component(_ start: UnsafePointer<CChar>?, _ length: Int) throws(StoreError) -> FilePath {
  let start = unsafe try require(start, "name")
  guard length != 0 else { throw .badValue("a name has no bytes; it must have 1 to 255") }
  guard (1...255).contains(length) else {
    throw .system(
      .fileNameTooLong, "using a name of \(UInt(bitPattern: length)) bytes, with a limit of 255")
  }
  let bytes = unsafe UnsafeBufferPointer(start: start, count: length)
  guard let name = unsafe FilePath(name: bytes.map { UInt8(bitPattern: $0) }) else {
    throw .badName(unsafe FilePath(platformString: Array(bytes) + [0]))
  }
  return name
}

/// Returns a name to look up in an export, which may be `.` or `..`.
func entryName(_ start: UnsafePointer<CChar>?, _ length: Int) throws(StoreError) -> FilePath {
  let start = unsafe try require(start, "name")
  if (1...2).contains(length) {
    let bytes = unsafe UnsafeBufferPointer(start: start, count: length)
    if unsafe bytes.allSatisfy({ $0 == CChar(bitPattern: UInt8(ascii: ".")) }) {
      return length == 1 ? "." : ".."
    }
  }
  return unsafe try component(start, length)
}

/// Returns text that ends with a NUL.
func text(_ start: UnsafePointer<CChar>?, _ name: StaticString) throws(StoreError) -> String {
  guard let text = unsafe String(validatingCString: try require(start, name)) else {
    throw .badValue("\(name) is not UTF-8; pass text in UTF-8")
  }
  return text
}

/// Returns how many values to write into a buffer that has room for `capacity`.
func room(_ capacity: Int) throws(StoreError) -> Int {
  guard capacity != 0 else { throw .badValue("capacity is 0; pass room for a value") }
  // A size_t above the half of its range is negative here.
  return capacity < 0 ? largestPage : min(capacity, largestPage)
}

/// The most files in one batch, and the most values that a call returns.
let (largestBatch, largestPage) = (65_536, 1 << 24)

/// Throws unless there is a buffer, if it is to have room for anything.
func requireRoom<T>(_ start: UnsafeMutablePointer<T>?, _ capacity: Int) throws(StoreError) {
  if capacity != 0 { _ = unsafe try require(start, "a buffer with a capacity") }
}

/// Writes as many values as there is room for.
func write<T>(_ values: [T], to start: UnsafeMutablePointer<T>?, _ capacity: Int) {
  guard let start = unsafe start else { return }
  for (i, value) in values.prefix(capacity < 0 ? values.count : capacity).enumerated() {
    unsafe start[i] = value
  }
}

/// Returns a struct that begins with its size. A caller of an earlier version passes less of it. A caller
/// of a later version passes more, which must be 0.
private func versioned<T>(
  _ start: UnsafePointer<T>, firstSize: Int, remedy: StaticString
) throws(StoreError) -> T {
  let raw = unsafe UnsafeRawPointer(start)
  let size = unsafe Int(raw.load(as: UInt32.self))
  guard (firstSize...4096).contains(size) else { throw .badValue("a size is wrong; \(remedy)") }
  let given = unsafe UnsafeRawBufferPointer(start: raw, count: size)
  guard unsafe given.dropFirst(MemoryLayout<T>.size).allSatisfy({ $0 == 0 }) else {
    throw .badValue(
      "an option needs a later version of the library; set it to 0, or install that version")
  }
  return unsafe withUnsafeTemporaryAllocation(of: T.self, capacity: 1) { room in
    let bytes = UnsafeMutableRawBufferPointer(room)
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
    unsafe bytes.copyBytes(from: given.prefix(MemoryLayout<T>.size))
    return unsafe room[0]
  }
}
