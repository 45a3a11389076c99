import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Inode numbers of several filesystems as one.
@Suite(.mounts) struct InodeNumberTests {
  private func shown(_ kind: VolumeKind) throws -> (TestStore, Volume, FilesystemID, NodeID) {
    let (test, volume) = (try TestStore(), try Volume(kind))
    let filesystem = try test.store.attach(volume.path)
    let root = try withDirectory(volume.path) {
      try test.store.register(FoundFile(of: $0), on: filesystem).node
    }
    return (test, volume, filesystem, root)
  }

  private func status(_ path: FilePath) throws -> FileStatus {
    try withDirectory(path) { try FileStatus(of: $0) }
  }

  private func status(_ inode: UInt64) -> FileStatus {
    FileStatus(inode: inode, mode: 0o100_644, links: 1, size: 0, device: 0)
  }

  @Test func theRootsFilesKeepTheirs() throws {
    let (test, volume, _, root) = try shown(.ext4)
    let status = try status(volume.path)
    let numbers = try InodeNumbers(in: test.store, root: root, status: status)
    #expect(try numbers.number(of: root, status: status) == status.inode)
    for inode in [1, 12, 1 << 32, 1 << 48 - 1] as [UInt64] {
      #expect(try numbers.number(inode, in: root, status: status) == inode)
    }
    // Those would be another filesystem's.
    #expect(try numbers.number(1 << 48, in: root, status: status) == nil)
    #expect(
      try numbers.number(of: root, status: self.status(1 << 48)) == 1 << 63 | root.rawValue)
    #expect(!FileManager.default.fileExists(atPath: test.path.appending("namespaces").string))
  }

  /// Of each filesystem and subvolume another one, whatever the order, and the same after a restart.
  @Test func eachNamespaceHasItsOwn() throws {
    let (test, volume, _, root) = try shown(.btrfs)
    let others = try [Volume(.ext4), Volume(.tmpfs), Volume(.xfs)]
    for i in 0..<4 {
      try succeed("btrfs", "-q", "subvolume", "create", volume.path.appending("\(i)").string)
    }
    let places = (0..<4).map { volume.path.appending("\($0)") } + others.map(\.path)
    func number(_ place: FilePath, _ numbers: InodeNumbers) throws -> UInt64 {
      let filesystem = try test.store.attach(place)
      return try withDirectory(place) {
        let file = try FoundFile(of: $0)
        let node = try test.store.register(file, on: filesystem).node
        let own = try numbers.number(of: node, status: status(256))
        #expect(try numbers.number(256, in: node, status: status(256)) == own)
        #expect(own & (1 << 48 - 1) == 256 && own >> 63 == 0)
        #expect(try numbers.number(of: node, status: status(1 << 60)) == 1 << 63 | node.rawValue)
        return own
      }
    }
    let first = try InodeNumbers(in: test.store, root: root, status: status(volume.path))
    var found = try places.map { try number($0, first) }
    found.append(256)
    #expect(Set(found).count == places.count + 1)
    let second = try InodeNumbers(in: test.store, root: root, status: status(volume.path))
    #expect(try places.reversed().map { try number($0, second) } == found.dropLast().reversed())
    try test.reopen()
    let third = try InodeNumbers(in: test.store, root: root, status: status(volume.path))
    #expect(try places.reversed().map { try number($0, third) } == found.dropLast().reversed())
    // A backup has them, too.
    let backup = try TemporaryDirectory()
    try test.store.backup(to: backup.appending("copy"))
    let name = "namespaces"
    #expect(
      try read(backup.appending("copy").appending(name)) == read(test.path.appending(name)))
  }
}
