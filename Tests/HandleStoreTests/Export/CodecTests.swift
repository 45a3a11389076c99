import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Tokens on the wire of FUSE.
@Suite struct CodecTests {
  private let token = Token(bytes: Array(1...60))

  @Test func aHandleIsItsSizeItsTypeAndItsBytes() throws {
    let codec = FileHandleCodec(limit: .largest)
    let bytes = try codec.encode(token)
    #expect(bytes == [60, 0, 0, 0, 0x48, 0, 0, 0] + Array(1...60))
    let decoded = try codec.decode(bytes + [9, 9, 9])
    #expect(decoded.token == token && decoded.length == 68)
  }

  @Test func itIsNeverCut() throws {
    let codec = FileHandleCodec(limit: HandleLimit(size: 59))
    #expect(throws: StoreError.tokenTooLong(60, limit: 59)) { try codec.encode(token) }
    #expect(throws: refused(.length)) {
      try codec.decode(FileHandleCodec(limit: .largest).encode(token))
    }
  }

  @Test func rubbishIsRefused() throws {
    let codec = FileHandleCodec(limit: .largest)
    let bytes = try codec.encode(token)
    for length in bytes.indices {
      #expect(throws: refused(.length)) { try codec.decode(Array(bytes[..<length])) }
    }
    var other = bytes
    other[4] = 0x81
    #expect(throws: refused(.handleType)) { try codec.decode(other) }
    for size: [UInt8] in [[0, 0, 0, 0], [129, 0, 0, 0], [0, 0, 0, 255], [60, 1, 0, 0]] {
      #expect(throws: refused(.length)) { try codec.decode(Array(size + bytes[4...])) }
    }
  }

  @Test func bothSidesTakeTheSmaller() {
    let large = HandleLimit.largest
    #expect(large.agreed(with: large) == large)
    #expect(large.agreed(with: HandleLimit(size: 64)).size == 64)
    #expect(HandleLimit(size: 64).agreed(with: large).size == 64)
    #expect(HandleLimit(version: 7, size: 500).agreed(with: large) == large)
    for limit in [HandleLimit.off, HandleLimit(version: 0, size: 128), HandleLimit(size: 31)] {
      #expect(large.agreed(with: limit) == .off && limit.agreed(with: large) == .off)
    }
    for limit in [large, .off, HandleLimit(version: 3, size: 0xffff)] {
      #expect(HandleLimit(rawValue: limit.rawValue) == limit)
    }
    #expect(large.rawValue == 0x1_0080)
  }

  @Test(.mounts) func aTokenThatDoesNotFitIsMadeByReference() throws {
    let exported = try Exported(.ext4)
    let entry = try #require(try exported.entry("directory"))
    let export = exported.export
    #expect(try export.token(for: entry.node, within: .off) == nil)
    for (size, length) in [(31, nil), (32, 32), (39, 32), (40, 40), (128, 40)] as [(UInt16, Int?)] {
      let token = try export.token(for: entry.node, within: HandleLimit(size: size))
      #expect(token?.bytes.count == length)
      if let token { #expect(try export.lookup(.token(token)).node == entry.node) }
    }
  }
}
