import CTestSupport
import Foundation
import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Files without a name that are needed nevertheless.
@Suite(.mounts) struct ParkingTests {
  @Test(arguments: [VolumeKind.ext4, .xfs, .btrfs])
  func aParkedFileCanBeOpenedByItsHandle(_ kind: VolumeKind) throws {
    let volume = try Volume(kind)
    let test = try TestStore()
    let root = try FileDescriptor.open(volume.path, .readOnly)
    defer { try? root.close() }
    let filesystem = try test.store.attach(root)
    try write("contents", to: volume.path.appending("file"))
    let node = try test.store.register("file", in: volume.path, on: filesystem).node

    let sockets = try Parking.makeSockets()
    let (mine, its) = (sockets.mine, sockets.its)
    let parking = Parking(socket: mine)
    func park() throws {
      let file = try test.store.open(node)
      try file.closeAfter { try parking.park(file, of: node) }
    }
    let parked = ParkedFiles()
    let name = volume.path.appending("file").string + " (deleted)"
    try park()
    try unlink(volume.path.appending("file"))
    // The sender may be gone by the time that it is received.
    try mine.close()
    #expect(try parked.receive(from: its))
    #expect(try !parked.receive(from: its))
    #expect(try descriptors(to: [name]) == 1)
    try its.close()
    #expect(try test.store.contents(node) == "contents")

    let other = try Parking.makeSockets()
    let (again, itsAgain) = (other.mine, other.its)
    parking.move(to: again)
    try park()
    #expect(try parked.receive(from: itsAgain))
    #expect(try descriptors(to: [name]) == 1)
    try parking.release(node)
    try again.close()
    #expect(try parked.receive(from: itsAgain))
    #expect(try !parked.receive(from: itsAgain))
    try itsAgain.close()
    #expect(try descriptors(to: [name]) == 0)
    withExtendedLifetime(parked) {}
    #expect(throws: StoreError.stale(node)) { try test.store.open(node) }
  }
}

/// Messages that no ``Parking`` sends.
@Suite struct ParkingMessageTests {
  @Test(arguments: [1, 15, 17, 100]) func ofAnotherLength(_ length: Int) throws {
    let sockets = try Parking.makeSockets()
    let (mine, its) = (sockets.mine, sockets.its)
    let parked = ParkedFiles()
    let message = [UInt8](repeating: 1, count: length)
    #expect(try mine.writeAll(message) == length)
    expect(Errno(rawValue: EBADMSG)) { try parked.receive(from: its) }
    // The next one is taken.
    let parking = Parking(socket: mine)
    let names = [try name(of: mine)]
    try parking.park(mine, of: .root)
    #expect(try parked.receive(from: its))
    #expect(try descriptors(to: names) == 2)
    withExtendedLifetime(parked) {}
    for socket in [mine, its] { try socket.close() }
  }

  @Test func withTwoDescriptors() throws {
    let sockets = try Parking.makeSockets()
    let (mine, its) = (sockets.mine, sockets.its)
    #expect(ts_send_descriptors(mine.rawValue, 1, 5, mine.rawValue, its.rawValue) == 0)
    let names = try [mine, its].map { try name(of: $0) }
    let before = try descriptors(to: names)
    let parked = ParkedFiles()
    #expect(try parked.receive(from: its))
    #expect(try descriptors(to: names) == before + 1)
    withExtendedLifetime(parked) {}
    for socket in [mine, its] { try socket.close() }
  }

  private func name(of socket: FileDescriptor) throws -> String {
    try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(socket.rawValue)")
  }
}

/// How many descriptors of this process lead to some files.
private func descriptors(to names: [String]) throws -> Int {
  try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
    let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
    return target.map { names.contains($0) } ?? false
  }
}

/// The opens that outlive a server.
@Suite struct OpenFilesTests {
  private let directory: TemporaryDirectory
  private let file: FileDescriptor
  private let noConnection: FileDescriptor

  init() throws {
    directory = try TemporaryDirectory()
    file = try FileDescriptor.open(
      directory.appending("opens"), .readWrite, options: .create, permissions: .ownerReadWrite)
    noConnection = try FileDescriptor.open(FilePath("/dev/null"), .readWrite)
  }

  private func files() throws -> OpenFiles { try OpenFiles(in: file, fuse: noConnection) }

  @Test func anOpenThatComesTwiceCountsOnce() throws {
    let node = NodeID(rawValue: 7)
    let files = try files()
    // The kernel cannot keep it without a connection, and that is no error.
    #expect(try files.open(100, of: node, file: file) == 0)
    #expect(try files.open(102, of: node, file: nil) == 0)
    let next = try self.files()
    #expect(try next.open(102, of: node, file: nil) == 0)
    #expect(next.count == 2 && next.keptCount == 0)
    #expect(next.needsParking(node))
    next.close(100)
    next.close(100)
    #expect(next.isOpen(node))
    next.close(102)
    #expect(!next.isOpen(node))
    #expect(!next.needsParking(node))
    #expect(try self.files().count == 0)
  }

  @Test func thousandsOfFilesAreParked() throws {
    let files = try files()
    for number in UInt64(1)...5000 {
      _ = try files.open(number, of: NodeID(rawValue: number % 100 + 2), file: nil)
    }
    for number in stride(from: UInt64(2), through: 5000, by: 2) { files.close(number) }
    let next = try self.files()
    #expect(next.count == 2500 && next.keptCount == 0)
    #expect(!next.isOpen(NodeID(rawValue: 2)))
    #expect(next.isOpen(NodeID(rawValue: 3)))
    for number in stride(from: UInt64(1), through: 5000, by: 2) { next.close(number) }
    #expect(try self.files().count == 0)
  }
}
