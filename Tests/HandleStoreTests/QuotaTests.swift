import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A quota that is used up is a full disk.
@Suite(.mounts) struct QuotaTests {
  private let volume: Volume
  private var place: FilePath { volume.path.appending("limited") }

  init() throws {
    volume = try Volume(.btrfs)
    try succeed("btrfs", "quota", "enable", volume.path.string)
    try succeed("btrfs", "subvolume", "create", place.string)
  }

  private func limit(_ bytes: String) throws {
    try succeed("btrfs", "qgroup", "limit", bytes, place.string)
    try succeed("sync", "-f", place.string)
  }

  @Test func keysForWhichThereIsNoRoom() throws {
    let path = place.appending("store")
    try Store(at: path).close()
    try limit("1M")
    try? TestSupport.write(String(repeating: "x", count: 4 << 20), to: place.appending("ballast"))
    #expect(throws: StoreError.diskFull(path: path)) { try Keyring.rotate(ofStoreAt: path) }
    try limit("none")
    #expect(try Keyring.rotate(ofStoreAt: path).ids == [1])
  }

  @Test func aStoreForWhichThereIsNoRoom() throws {
    try limit("1M")
    try? TestSupport.write(String(repeating: "x", count: 4 << 20), to: place.appending("ballast"))
    let path = place.appending("store")
    #expect(throws: StoreError.diskFull(path: path)) { try Store(at: path).close() }
  }
}

/// What could not be had is not kept.
@Suite(.mounts) struct GivenBackTests {
  @Test(arguments: [VolumeKind.ext4, .xfs, .tmpfs])
  func aJournalThatDoesNotFitLeavesNothing(_ kind: VolumeKind) throws {
    let volume = try Volume(kind)
    let path = volume.path.appending("journal")
    let file = try FileDescriptor.open(
      path, .readWrite, options: .create, permissions: .ownerReadWrite)
    defer { try? file.close() }
    let free = try freeBytes(volume.path)
    for size: Int64 in [0, 100, 5000] {
      try succeed("truncate", "-s", "\(size)", path.string)
      expect(.noSpace) { try IntentJournal(in: file, capacity: 1 << 20) }
      #expect(try FileStatus(of: file).size == UInt64(size))
      try succeed("sync", "-f", volume.path.string)
      #expect(try freeBytes(volume.path) >= free - 64 << 10)
    }
    try succeed("truncate", "-s", "0", path.string)
    #expect(try IntentJournal(in: file).count == 0)
  }

  /// What was noted is kept whatever else there is no room for.
  @Test func aJournalThatIsInUseIsNotGivenBack() throws {
    let volume = try Volume(.ext4)
    let file = try FileDescriptor.open(
      volume.path.appending("journal"), .readWrite, options: .create, permissions: .ownerReadWrite)
    defer { try? file.close() }
    let journal = try IntentJournal(in: file, capacity: 4)
    try journal.note(.createAttribute("user.name"), for: 7)
    expect(.noSpace) { try IntentJournal(in: file, capacity: 1 << 20) }
    #expect(try IntentJournal(in: file, capacity: 4)[7] != nil)
  }

  private func freeBytes(_ path: FilePath) throws -> Int64 {
    let attributes = try FileManager.default.attributesOfFileSystem(forPath: path.string)
    return try #require(attributes[.systemFreeSize] as? NSNumber).int64Value
  }
}
