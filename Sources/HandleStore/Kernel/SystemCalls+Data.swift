internal import CHandleSys
internal import Glibc
internal import SystemPackage

extension SystemCalls {
  /// The host's name (`/proc/sys/kernel/hostname`); empty if it cannot be read.
  package static var hostName: String {
    guard let file = try? OwnedDescriptor(open("/proc/sys/kernel/hostname", flags: readOnly)),
      let bytes = try? readAll(file.descriptor)
    else { return "" }
    return String(String(decoding: bytes, as: UTF8.self).prefix { !$0.isNewline })
  }

  /// Reads everything from the file offset to the end.
  static func readAll(_ descriptor: FileDescriptor) throws(Errno) -> [UInt8] {
    var contents: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let n = try retried {
        unsafe hsys_read(descriptor.rawValue, &chunk, chunk.count)
      }
      if n == 0 { return contents }
      contents += chunk[..<n]
    }
  }

  /// Reads until `buffer` is full or the file ends (`pread(2)`); returns the number of bytes read.
  static func read(
    _ descriptor: FileDescriptor, at offset: Int, into buffer: inout [UInt8]
  ) throws(Errno) -> Int {
    var filled = 0
    while filled < buffer.count {
      let n = try retried {
        unsafe buffer.withUnsafeMutableBytes {
          let place = unsafe $0.baseAddress?.advanced(by: filled)
          let n = unsafe Glibc.pread(
            descriptor.rawValue, place, $0.count - filled, offset + filled)
          return n < 0 ? -Int(errno) : n
        }
      }
      if n == 0 { break }
      filled += n
    }
    return filled
  }

  static func writeAll(_ descriptor: FileDescriptor, _ bytes: [UInt8]) throws(Errno) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let n = try retried {
        unsafe rest.withUnsafeBytes {
          let n = unsafe Glibc.write(descriptor.rawValue, $0.baseAddress, $0.count)
          return n < 0 ? -Int(errno) : n
        }
      }
      rest = rest.dropFirst(n)
    }
  }

  /// Returns the offset of the first data at or after `offset` (`SEEK_DATA`), or `nil` if only
  /// holes follow. Moves the file offset.
  static func data(of descriptor: FileDescriptor, from offset: Int) throws(Errno) -> Int? {
    do throws(Errno) {
      return Int(try checked(hsys_find_data(descriptor.rawValue, Int64(offset))))
    } catch {
      guard error == .noSuchAddressOrDevice else { throw error }
      return nil
    }
  }
}
