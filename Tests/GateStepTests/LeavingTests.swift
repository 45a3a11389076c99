import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// What happens between two steps of the gate. Through the public interface, it could only be tried by
/// chance.
@Suite(.enabled(if: mayMount, "mounting needs root")) struct LeavingTests {
  private let volume: TestSupport.Volume
  private let tree: FilePath
  private let outside: FilePath

  init() throws {
    volume = try TestSupport.Volume(.ext4)
    tree = volume.path.appending("tree")
    outside = volume.path.appending("outside")
    for directory in [tree.appending("directory"), outside] {
      try FileManager.default.createDirectory(
        atPath: directory.string, withIntermediateDirectories: true)
    }
    try write("", to: tree.appending("directory/file"))
  }

  private func export(_ containment: Containment) throws -> Export {
    let store = Store(inMemory: StoreOptions())
    return try withDirectory(tree) {
      try store.addExport("e", roots: [$0], containment: containment)
    }
  }

  /// The directory, opened as the gate opens it: by its handle, on the mount of the subtree.
  private func directory(of subtree: Subtree) throws -> OpenedFile {
    try subtree.open(
      withDirectory(tree.appending("directory")) { try KernelFileHandle(of: $0) })
  }

  @Test(arguments: [Containment.walk, .kernel, .cached])
  func aNameInADirectoryThatLeaves(_ containment: Containment) throws {
    let export = try export(containment)
    let subtree = export.layers[0]
    let directory = try directory(of: subtree).descriptor
    let file = try #require(try subtree.find("file", in: directory))
    #expect(try subtree.isInside(file, named: "file", in: directory))
    try rename(tree.appending("directory"), to: outside.appending("directory"))
    #expect(try !subtree.isInside(file, named: "file", in: directory))
    let again = try #require(try subtree.find("file", in: directory))
    #expect(try !subtree.isInside(again, named: "file", in: directory))
    try rename(outside.appending("directory"), to: tree.appending("directory"))
    #expect(try subtree.isInside(file, named: "file", in: directory))
  }

  @Test(arguments: [Containment.walk, .kernel, .cached])
  func aFileThatLeaves(_ containment: Containment) throws {
    let export = try export(containment)
    let subtree = export.layers[0]
    let opened = try directory(of: subtree)
    let (directory, handle) = (opened.descriptor, opened.handle)
    let file = try #require(try subtree.find("file", in: directory))
    #expect(try subtree.findInside(file) { [handle] } != nil)
    try rename(tree.appending("directory/file"), to: outside.appending("file"))
    #expect(try subtree.findInside(file) { [handle] } == nil)
    #expect(try !subtree.isInside(file, named: "file", in: directory))
    // Another file takes the name.
    try write("", to: tree.appending("directory/file"))
    #expect(try subtree.findInside(file) { [handle] } == nil)
    #expect(try !subtree.isInside(file, named: "file", in: directory))
    try rename(outside.appending("file"), to: tree.appending("directory/file"))
    #expect(try subtree.findInside(file) { [handle] } != nil)
  }
}
