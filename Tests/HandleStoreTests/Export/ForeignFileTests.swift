import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// The files `keys` and `exports` of another store.
@Suite(.mounts) struct ForeignFileTests {
  private func copy(_ name: String, from one: FilePath, to other: FilePath) throws {
    try succeed("cp", "-p", one.appending(name).string, other.appending(name).string)
  }

  private func expectForeign(_ path: FilePath, _ body: () throws -> Void) {
    let error = #expect(throws: StoreError.self) { try body() }
    guard case .foreignFile(path, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func keysOfAnotherStoreAreRefusedUntilTheyAreShared() throws {
    let exported = try Exported(.ext4)
    let theirs = try exported.token("file")
    let test = try TestStore()
    _ = try test.store.attach(exported.volume.path)
    let export = try withDirectory(exported.inside) {
      try test.store.addExport("tree", roots: [$0], id: exported.export.record.id)
    }
    let own = try #require(try export.lookup("file", in: .node(.root))).token
    #expect(throws: refused(.signature)) { try export.status(theirs) }
    try copy("keys", from: exported.test.path, to: test.path)
    let keys = test.path.appending("keys")
    expectForeign(keys) { try test.store.reloadKeys() }
    expectForeign(keys) { _ = try test.store.openExport("tree") }
    expectForeign(keys) { _ = try Keyring(ofStoreAt: test.path) }
    expectForeign(keys) { try Keyring.rotate(ofStoreAt: test.path) }
    for token in [own, theirs] {
      let error = #expect(throws: StoreError.self) { try export.status(token) }
      #expect(error?.code == .unusableKeys)
    }
    // That they are there may have been meant.
    try Keyring.share(from: keys, withStoreAt: test.path)
    #expect(try export.contents(theirs) == "contents of file")
    #expect(throws: refused(.signature)) { try export.status(own) }
  }

  @Test func keysAreTakenOverFromAFileThatWasKept() throws {
    let exported = try Exported(.ext4)
    let token = try exported.token("file")
    let kept = exported.test.directory.appending("kept")
    try succeed("cp", "-p", exported.test.path.appending("keys").string, kept.string)
    let test = try TestStore()
    try Keyring.share(from: kept, withStoreAt: test.path)
    _ = try test.store.attach(exported.volume.path)
    let export = try withDirectory(exported.inside) {
      try test.store.addExport("tree", roots: [$0], id: exported.export.record.id)
    }
    #expect(try export.contents(token) == "contents of file")
    // Whatever state the own file is in, it goes.
    try TestSupport.write("damaged", to: test.path.appending("keys"))
    try Keyring.share(from: kept, withStoreAt: test.path)
    #expect(try export.contents(token) == "contents of file")
    try succeed("chmod", "644", kept.string)
    #expect(throws: StoreError.exposedKeys(path: kept)) {
      try Keyring.share(from: kept, withStoreAt: test.path)
    }
    try unlink(kept)
    #expect(throws: StoreError.noStore(path: kept)) {
      try Keyring.share(from: kept, withStoreAt: test.path)
    }
  }

  @Test func exportsOfAnotherStoreAreRefused() throws {
    let exported = try Exported(.ext4)
    let token = try exported.token("file")
    let test = try TestStore()
    _ = try test.store.attach(exported.volume.path)
    try copy("exports", from: exported.test.path, to: test.path)
    let exports = test.path.appending("exports")
    expectForeign(exports) { _ = try test.store.exports() }
    expectForeign(exports) { _ = try test.store.openExport("tree") }
    expectForeign(exports) { try test.store.removeExport("tree") }
    expectForeign(exports) {
      _ = try withDirectory(exported.inside) { try test.store.addExport("more", roots: [$0]) }
    }
    #expect(test.store.statistics.errors[.foreignFile] == 4)
    try unlink(exports)
    try Keyring.share(from: exported.test.path, withStoreAt: test.path)
    let export = try withDirectory(exported.inside) {
      try test.store.addExport("tree", roots: [$0], id: exported.export.record.id)
    }
    #expect(try export.contents(token) == "contents of file")
  }
}
