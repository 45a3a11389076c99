internal import CHandleSys
internal import Glibc
internal import SystemPackage

extension SystemCalls {
  /// Everything from the descriptor's place to the end.
  static func readAll(_ descriptor: FileDescriptor) throws(Errno) -> [UInt8] {
    var contents: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let n = unsafe Glibc.read(descriptor.rawValue, &chunk, chunk.count)
      guard n >= 0 else { throw Errno(rawValue: errno) }
      if n == 0 { return contents }
      contents += chunk[..<n]
    }
  }

  /// `pread(2)` until `buffer` is full or the file ends; returns how much was read.
  static func read(
    _ descriptor: FileDescriptor, at offset: Int, into buffer: inout [UInt8]
  ) throws(Errno) -> Int {
    var filled = 0
    while filled < buffer.count {
      let n = unsafe buffer.withUnsafeMutableBytes {
        unsafe Glibc.pread(
          descriptor.rawValue, $0.baseAddress?.advanced(by: filled), $0.count - filled,
          offset + filled)
      }
      guard n >= 0 else { throw Errno(rawValue: errno) }
      if n == 0 { break }
      filled += n
    }
    return filled
  }

  static func writeAll(_ descriptor: FileDescriptor, _ bytes: [UInt8]) throws(Errno) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let n = unsafe rest.withUnsafeBytes {
        unsafe Glibc.write(descriptor.rawValue, $0.baseAddress, $0.count)
      }
      guard n >= 0 else { throw Errno(rawValue: errno) }
      rest = rest.dropFirst(n)
    }
  }

  /// The first byte at or behind `offset` that may be another than 0 (`SEEK_DATA`); `nil` where there
  /// is none. Moves the descriptor's place.
  static func data(of descriptor: FileDescriptor, from offset: Int) throws(Errno) -> Int? {
    do throws(Errno) {
      return Int(try checked(hs_find_data(descriptor.rawValue, Int64(offset))))
    } catch {
      guard error == .noSuchAddressOrDevice else { throw error }
      return nil
    }
  }
}
