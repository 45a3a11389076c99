import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// The record of a filesystem is lost, and its nodes' handles tell which one it was.
@Suite(.enabled(if: mayMount, "opening handles needs root")) struct LostFilesystemTests {
  private let directory: TemporaryDirectory
  private let path: FilePath
  private var nodes: [NodeID: KernelFileHandle] = [:]
  private let volume: TestSupport.Volume

  init() throws {
    directory = try TemporaryDirectory()
    path = directory.path.appending("store")
    volume = try TestSupport.Volume(.ext4, megabytes: 8)
    let store = try Store(at: path)
    let filesystem = try store.attach(volume.path)
    try withDirectory(volume.path) { root in
      for i in 0..<20 {
        try write("text", to: volume.path.appending("file-\(i)"))
        let file = try FoundFile(name: FilePath("file-\(i)"), in: root)
        nodes[try store.register(file, on: filesystem).node] = file.handle
      }
    }
    try store.close()
    try StoreCopy.forge(path) { try $0.remove($1.filesystems, UInt64(filesystem.rawValue)) }
  }

  @Test func aMountedFilesystemIsFoundAgain() throws {
    #expect(try !Store.check(at: path).isSound)
    let report = try Store.repair(at: path)
    #expect(report.foundFilesystems == 1 && report.lostFilesystems == 0 && report.retired == 0)
    #expect(report.isWithoutLoss && report.kept == nodes.count)
    #expect(try Store.check(at: path).findings == [])
    let store = try Store(at: path)
    let filesystem = try store.attach(volume.path)
    for (id, handle) in nodes {
      let file = try store.open(id)
      #expect(try KernelFileHandle(of: file) == handle)
      try file.close()
      #expect(try store.node(of: handle, on: filesystem)?.id == id)
    }
    try store.close()
  }

  @Test func whereItIsNotMountedTheNodesAreRetired() throws {
    try volume.unmount()
    let other = try TestSupport.Volume(.ext4, megabytes: 8)
    try write("text", to: other.path.appending("file-0"))
    let report = try Store.repair(at: path)
    #expect(report.foundFilesystems == 0 && report.lostFilesystems == 1)
    #expect(report.retired == nodes.count && !report.isWithoutLoss)
    #expect(try Store.check(at: path).findings == [])
  }

  @Test func ofTwoCopiesNeitherIsTaken() throws {
    try volume.unmount()
    let copy = try TestSupport.Volume(copyOf: volume)
    try volume.mount()
    try copy.mount(at: "copy")
    #expect(try Store.repair(at: path).retired == nodes.count)
  }
}
