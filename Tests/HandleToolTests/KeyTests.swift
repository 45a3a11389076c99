import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

@Suite(.opensHandles) struct KeyTests {
  @Test func keysAreListedAndNotShown() throws {
    let place = try ExportedDirectory.added()
    #expect(try output(of: "key", "list", place.store) == "KEY  SIGNS\n1    yes\n")
    let rotated = try output(of: "key", "rotate", place.store)
    #expect(rotated == "KEY  SIGNS\n1    no\n2    yes\n")
    let json = try objects(output(of: "key", "list", place.store, "--json"))
    #expect(json.map { $0.number("key") } == [1, 2])
    #expect(json.map { $0.flag("signs") } == [false, true])
    let words = try read(FilePath(place.store).appending("keys")).split(
      whereSeparator: \.isWhitespace)
    let secrets = words.filter { $0.count >= 32 }
    #expect(secrets.count == 2)
    for command in [["key", "list", place.store], ["key", "rotate", place.store, "--json"]] {
      let text = try succeed([Commands.handlestore] + command)
      #expect(!secrets.contains { text.contains($0) })
    }
  }

  @Test func aStoreWithoutKeys() throws {
    let workplace = try Workplace.indexed()
    #expect(try output(of: "key", "list", workplace.store) == "KEY  SIGNS\n")
    #expect(try output(of: "key", "list", workplace.store, "--json") == "")
    let other = try ExportedDirectory.added()
    let result = try handlestore("key", "share", workplace.store, other.store)
    #expect(result.status == 3)
    #expect(
      result.errors.contains(
        "the store in \(workplace.store) has no keys yet; add an export, or make"))
    #expect(try output(of: "key", "rotate", workplace.store) == "KEY  SIGNS\n1    yes\n")
  }

  @Test func theOldKeyStaysGood() throws {
    let place = try ExportedDirectory.added()
    let token = try place.token("file")
    try output(of: "key", "rotate", place.store, "--keep", "1")
    _ = try place.decoded(token)
    let new = try place.token("file")
    #expect(new != token)
    try output(of: "key", "rotate", place.store)
    try place.expectRefusal(.key, token)
    _ = try place.decoded(new)
  }

  @Test func aKeyIsSpreadBeforeItSigns() throws {
    let place = try ExportedDirectory.added()
    #expect(
      try output(of: "key", "add", place.store) == "KEY  SIGNS\n1    yes\n2    no\n")
    let token = try place.token("file")
    #expect(
      try output(of: "key", "sign", place.store, "2") == "KEY  SIGNS\n1    no\n2    yes\n")
    #expect(try place.token("file") != token)
    _ = try place.decoded(token)
    let none = try handlestore("key", "sign", place.store, "9")
    #expect(none.status == 3)
    #expect(none.errors.contains("has no key 9; list its keys with `handlestore key list`"))
    #expect(try handlestore("key", "sign", place.store, "256").status == 2)
  }

  @Test func noOldKeyStaysGood() throws {
    let place = try ExportedDirectory.added()
    let tokens = try [place.token("file"), place.token("file", "--reference")]
    #expect(
      try output(of: "key", "rotate", place.store, "--keep", "0") == "KEY  SIGNS\n2    yes\n")
    for token in tokens { try place.expectRefusal(.key, token) }
    _ = try place.decoded(place.token("file"))
  }

  @Test func besideAServer() throws {
    let place = try ExportedDirectory.added()
    let server = try Store(at: FilePath(place.store))
    let export = try server.openExport("tree")
    let old = try export.token(for: .root)
    try output(of: "key", "rotate", place.store, "--keep", "0")
    #expect(try export.token(for: .root) == old)
    try server.reloadKeys()
    #expect(try export.token(for: .root) != old)
    #expect(throws: StoreError.refused(.key)) { try export.open(.token(old), as: .path) }
    try server.close()
  }

  @Test func twoStoresShareTokens() throws {
    let place = try ExportedDirectory()
    for store in [place.store, place.other] {
      try output(of: "export", "add", store, "tree", place.inside.string, "--id", "77")
    }
    let token = try place.token("directory/one")
    let reference = try place.token("directory/one", "--reference")
    try place.expectRefusal(.signature, token, in: place.other)
    let shared = try output(of: "key", "share", place.store, place.other)
    #expect(shared == "KEY  SIGNS\n1    yes\n")
    let decoded = try figures(output(of: "decode", place.other, "tree", token, "--json"))
    #expect(decoded.string("path") == place.inside.appending("directory/one").string)
    // The other store has no node of the file.
    #expect(decoded.isNull("node"))
    try place.expectRefusal(.signature, reference, in: place.other)
    let foreign = try output(of: "token", place.other, "tree", "directory/one")
    _ = try place.decoded(String(foreign.dropLast()))
  }

  @Test func keysThatOthersCanRead() throws {
    let place = try ExportedDirectory.added()
    let token = try place.token("file")
    let keys = FilePath(place.store).appending("keys").string
    try succeed("chmod", "0644", keys)
    try Store(at: FilePath(place.other)).close()
    for command in [
      ["key", "list", place.store], ["key", "rotate", place.store],
      ["key", "share", place.store, place.other], ["decode", place.store, "tree", token],
      ["token", place.store, "tree", "file"], ["token", place.store, "tree", "--node", "1"],
      ["export", "add", place.store, "more", place.inside.string],
    ] {
      let result = try run([Commands.handlestore] + command)
      #expect(result.status == 3, "\(command)")
      #expect(result.errors.contains("\(keys) can be read by others"))
      #expect(
        result.errors.contains("then make new keys (`handlestore key rotate --keep 0`)"))
    }
    try succeed("chmod", "0600", keys)
    try output(of: "key", "rotate", place.store, "--keep", "0")
    try place.expectRefusal(.key, token)
  }

  @Test func storesThatAreNone() throws {
    let place = try ExportedDirectory.added()
    for command in [
      ["key", "share", place.other, place.store], ["key", "share", place.store, place.other],
    ] {
      let result = try run([Commands.handlestore] + command)
      #expect(result.status == 3)
      #expect(result.errors.contains("handlestore: there is no store at \(place.other)"))
    }
    #expect(try output(of: "key", "list", place.store) == "KEY  SIGNS\n1    yes\n")
  }
}
