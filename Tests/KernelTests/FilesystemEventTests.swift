import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// Events of fanotify(7), in bytes as the kernel sends them and as it never would.
@Suite struct FilesystemEventTests {
  private static let handle = Synthetic.handle(7)

  private func record(_ kind: UInt8, _ handle: KernelFileHandle, name: String = "") -> [UInt8] {
    var body: [UInt8] = Array(repeating: 0, count: 8)  // fsid
    body.append(littleEndian: UInt32(handle.length))
    body.append(littleEndian: UInt32(bitPattern: handle.type.rawValue))
    body += handle.bytes + name.utf8 + (name.isEmpty ? [] : [0])
    body += Array(repeating: 0, count: (4 - body.count % 4) % 4)
    return [kind, 0] + UInt16(4 + body.count).littleEndianBytes + body
  }

  private func event(
    _ mask: UInt64, _ records: [UInt8], length: UInt32? = nil, metadata: UInt16 = 24,
    process: UInt32 = 0
  ) -> [UInt8] {
    let head = Array(repeating: UInt8(0), count: Int(metadata) - 24)
    var bytes = (length ?? UInt32(Int(metadata) + records.count)).littleEndianBytes + [3, 0]
    bytes.append(littleEndian: metadata)
    bytes.append(littleEndian: mask)
    return bytes + [0, 0, 0, 0] + process.littleEndianBytes + head + records
  }

  @Test func whatAnEventNames() throws {
    let (file, directory, other) = (Self.handle, Synthetic.handle(8), Synthetic.handle(9))
    let created = event(
      0x100, record(2, directory, name: "näme") + record(1, file), process: 7)
    let renamed = event(0x1000_0000, record(10, directory) + record(12, other) + record(1, file))
    let events = FilesystemEvent.all(in: created + renamed)
    try #require(events.count == 2)
    #expect(events[0].file == file && events[0].directory == directory)
    #expect(events[0].name == "näme" && events[0].mask == 0x100 && !events[0].isLoss)
    #expect(WatchMask(events[0]) == .create)
    #expect(events[0].process == 7 && events[1].process == 0)
    #expect(events[1].oldDirectory == directory && events[1].newDirectory == other)
    #expect(events[1].file == file && events[1].directory == nil && events[1].name.isEmpty)
  }

  /// Without `FAN_REPORT_NAME` the directory comes in a record of another kind.
  @Test func aDirectoryWithoutAName() throws {
    let directory = Synthetic.make(.inode32, [1, 2, 3, 4, 5, 6, 7])
    let event = try #require(
      FilesystemEvent.all(in: event(0x100, record(3, directory) + record(1, Self.handle))).first)
    #expect(event.directory == directory && event.name.isEmpty && event.file == Self.handle)
  }

  /// A later kernel may put more in front of the records, and records of other kinds between them.
  @Test func whatIsNotKnownIsSkipped() throws {
    let records = record(4, Synthetic.handle(3)) + record(1, Self.handle)
    let events = FilesystemEvent.all(in: event(4, records, metadata: 40) + event(2, []))
    try #require(events.count == 2)
    #expect(events[0].file == Self.handle && events[0].mask == 4)
    #expect(events[1].file == nil && events[1].mask == 2)
  }

  @Test(arguments: [0, 23, 1000] as [UInt32]) func anEventOfWrongLengthIsTheLast(
    _ length: UInt32
  ) throws {
    let wrong = event(4, record(1, Self.handle), length: length)
    let events = FilesystemEvent.all(in: event(2, []) + wrong + event(2, []))
    try #require(events.count == 2)
    #expect(!events[0].isLoss && events[1].isLoss && events[1].file == nil)
  }

  @Test func wrongLengthsOfTheHeadAndOfRecordsLeadNowhere() {
    var bytes = event(4, record(1, Self.handle))
    bytes[6] = 23
    #expect(FilesystemEvent.all(in: bytes).map(\.isLoss) == [true])
    for length: UInt8 in [0, 3, 200] {
      var bytes = event(4, record(1, Self.handle)) + event(2, [])
      bytes[26] = length
      #expect(FilesystemEvent.all(in: bytes).map(\.file) == [nil, nil])
    }
    for length: UInt8 in [0, 129, 255] {
      var bytes = event(4, record(1, Self.handle))
      bytes[36] = length
      #expect(FilesystemEvent.all(in: bytes).map(\.file) == [nil])
    }
  }

  @Test func eventsWithWrongBytes() {
    var generator = SeededGenerator(seed: 2)
    let records =
      record(2, Synthetic.handle(8), name: "name") + record(1, Self.handle)
      + record(10, Self.handle) + record(12, Self.handle)
    let right = event(0x100, records) + event(0x200, record(3, Self.handle))
    for _ in 0..<20_000 {
      var bytes = right
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[.random(in: bytes.indices, using: &generator)] = .random(
          in: 0...255, using: &generator)
      }
      for event in FilesystemEvent.all(in: bytes) {
        let handles = [event.file, event.directory, event.oldDirectory, event.newDirectory]
        #expect(handles.allSatisfy { $0.map { (1...128).contains($0.length) } ?? true })
        #expect(event.name.length <= 128)
      }
    }
  }

  @Test func anyBytesComeToAnEnd() {
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<3000 {
      let bytes = (0..<Int.random(in: 0..<256, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator) % (Bool.random(using: &generator) ? 64 : 255)
      }
      let events = FilesystemEvent.all(in: bytes)
      #expect(events.count <= bytes.count / 24 + 1)
    }
  }
}
