/// A value that is sent with a statement, in PostgreSQL's binary format and with its type, so the
/// server neither guesses nor parses.
enum Parameter: Equatable, Sendable {
  /// `int8`.
  case integer(Int64)
  /// `bool`.
  case boolean(Bool)
  /// `text`. The server refuses one with a zero byte (SQLSTATE 22021).
  case text(String)
  /// `int8[]`.
  case integers([Int64?])
  /// `bool[]`.
  case booleans([Bool])
  /// `bytea[]`.
  case byteStrings([[UInt8]])
}

extension Parameter {
  var type: PostgresType {
    switch self {
    case .integer: .integer
    case .boolean: .boolean
    case .text: .text
    case .integers: .integers
    case .booleans: .booleans
    case .byteStrings: .byteStrings
    }
  }

  /// Appends the value to a message.
  func append(to message: inout [UInt8]) {
    switch self {
    case .integer(let value): message.append(bigEndian: value)
    case .boolean(let value): message.append(value ? 1 : 0)
    case .text(let value): message.append(contentsOf: value.utf8)
    case .integers(let values):
      message.append(arrayOf: .integer, values) { message, value in
        guard let value else { return false }
        message.append(bigEndian: value)
        return true
      }
    case .booleans(let values):
      message.append(arrayOf: .boolean, values) { message, value in
        message.append(value ? 1 : 0)
        return true
      }
    case .byteStrings(let values):
      message.append(arrayOf: .bytes, values) { message, value in
        message.append(contentsOf: value)
        return true
      }
    }
  }
}

// The formats are those of the server's functions int8send, boolsend, textsend, byteasend and
// array_send.
extension [UInt8] {
  /// Appends an array: the number of dimensions, whether there are nulls, the type of an element;
  /// the number of elements and the index of the first; and each element behind its length, which is
  /// -1 for a null.
  ///
  /// - Parameter appendElement: returns `false`, and appends nothing, for a null.
  fileprivate mutating func append<Value>(
    arrayOf type: PostgresType, _ elements: [Value],
    _ appendElement: (inout [UInt8], Value) -> Bool
  ) {
    append(bigEndian: Int32(elements.isEmpty ? 0 : 1))
    let nulls = count
    append(bigEndian: Int32(0))
    append(bigEndian: type.rawValue)
    if elements.isEmpty { return }
    append(bigEndian: Int32(elements.count))
    append(bigEndian: Int32(1))
    for element in elements {
      let start = count
      append(bigEndian: Int32(-1))
      if appendElement(&self, element) {
        replace(at: start, bigEndian: Int32(count - start - 4))
      } else {
        replace(at: nulls, bigEndian: Int32(1))
      }
    }
  }

  fileprivate mutating func append(bigEndian value: some FixedWidthInteger) {
    unsafe Swift.withUnsafeBytes(of: value.bigEndian) { unsafe append(contentsOf: $0) }
  }

  private mutating func replace(at offset: Int, bigEndian value: Int32) {
    unsafe withUnsafeMutableBytes {
      unsafe $0.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Int32.self)
    }
  }
}
