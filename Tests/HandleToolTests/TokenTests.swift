import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

@Suite(.opensHandles) struct TokenTests {
  @Test(arguments: [[], ["--reference"], ["--limit", "64"]])
  func everyFileRoundTrips(_ options: [String]) throws {
    let place = try ExportedDirectory.added()
    let named = try files(below: place.inside)
    let names = named.map(\.name)
    let tokens = try output(of: ["token", place.store, "tree"] + names + options)
      .split(separator: "\n").map { String($0) }
    #expect(tokens.count == names.count)
    for (file, token) in zip(named, tokens) {
      let decoded = try place.decoded(token)
      #expect(decoded.isNull("refused"))
      #expect(decoded.number("inode") == file.status.inode)
      #expect(decoded.string("form") == (options == ["--reference"] ? "reference" : "value"))
      #expect(token.count == 64 || options != ["--reference"])
      #expect(decoded.number("node") != nil)
      #expect(decoded.number("filesystem") == 1 && decoded.number("layer") == 0)
      // A hard link has two.
      #expect(
        decoded.string("path") == place.inside.appending(file.name).string || file.status.links == 2
      )
    }
  }

  private func output(of arguments: [String]) throws -> String {
    try succeed([Commands.handlestore] + arguments)
  }

  @Test func whatDecodePrints() throws {
    let place = try ExportedDirectory.added()
    let file = try NamedFile("directory/one", in: place.inside)
    let text = try HandleToolTests.output(
      of: "decode", place.store, "tree", place.token("directory/one"))
    let node = try #require(
      try objects(HandleToolTests.output(of: "dump", place.store, "--format", "json"))
        .first { $0.string("handle") == file.handle.hexadecimal }?.number("node"))
    for line in [
      "node         \(node)", "form         value", "type         regular",
      "inode        \(file.status.inode)", "filesystem   1", "layer        0",
      "path         \(place.inside.appending("directory/one"))",
    ] { #expect(text.contains(line + "\n"), "\(text)") }
    #expect(text.contains("handle       \(file.handle.hexadecimal)"))
  }

  @Test func theRootHasManyNames() throws {
    let place = try ExportedDirectory.added()
    let root = try place.token(".")
    for path in ["/", "..", "directory/..", "./directory/../..", "/../.."] {
      #expect(try place.token(path) == root)
    }
    let node = try HandleToolTests.output(of: "token", place.store, "tree", "--node", "1")
    #expect(node == root + "\n")
    #expect(try place.decoded(root).string("path") == place.inside.string)
    #expect(try place.token("/directory/one") == place.token("directory//one"))
  }

  @Test func besideAServer() throws {
    let place = try ExportedDirectory.added()
    let token = try place.token("file")
    let node = try #require(try place.decoded(token).number("node"))
    let server = try Store(at: FilePath(place.store))
    #expect(try server.openExport("tree").token(for: NodeID(rawValue: node)).description == token)
    #expect(
      try HandleToolTests.output(of: "token", place.store, "tree", "--node", "\(node)") == token
        + "\n")
    #expect(try place.decoded(token).number("node") == node)
    let result = try handlestore("token", place.store, "tree", "file")
    #expect(result.status == 3)
    #expect(result.errors.contains("is open for writing by process \(getpid())"))
    try server.close()
  }

  @Test func pathsThatLeadNowhere() throws {
    let place = try ExportedDirectory.added()
    try succeed("ln", "-s", "directory", place.inside.appending("link").string)
    for (path, message) in [
      ("none", "export 'tree' has no file 'none'; give a path below its root"),
      (
        "directory/none/one",
        "export 'tree' has no file 'directory/none'; give a path below its root"
      ),
      (
        "link/one",
        "link is a symbolic link, and links are not followed; name the file that it points to"
      ),
      ("file/one", "file is not a directory, so nothing is below it; name the file itself"),
      (place.inside.string, "'; give a path below its root"),
    ] {
      let result = try handlestore("token", place.store, "tree", path)
      #expect(result.status == 1)
      #expect(result.output == "")
      #expect(result.errors.hasPrefix("handlestore: ") && result.errors.hasSuffix(message + "\n"))
    }
  }

  @Test func nodesThatHaveNoToken() throws {
    let place = try ExportedDirectory.added()
    let result = try handlestore("token", place.store, "tree", "--node", "4711")
    #expect(result.status == 1)
    #expect(result.errors.contains("there is no node 4711"))
    let elsewhere = try ExportedDirectory(.tmpfs)
    try HandleToolTests.output(of: "index", place.store, elsewhere.inside.string)
    let foreign = try #require(
      try objects(
        HandleToolTests.output(of: "dump", place.store, "--filesystem", "2", "--format", "json")
      ).first?.number("node"))
    let outside = try handlestore("token", place.store, "tree", "--node", "\(foreign)")
    #expect(outside.status == 1)
    #expect(outside.errors.contains("refused (outside): the file is outside the export"))
    let long = try handlestore("token", place.store, "tree", "file", "--limit", "39")
    #expect(long.status == 2)
    #expect(
      long.errors.contains("the token needs 40 bytes, but the limit is 39; make a token by ref"))
  }
}

/// Tokens that the gate refuses, told by the name of the check.
@Suite(.opensHandles) struct DecodeTests {
  @Test func bytesThatAreNotTheTokens() throws {
    let place = try ExportedDirectory.added()
    let token = try place.token("directory/one")
    try place.expectRefusal(.length, "00")
    try place.expectRefusal(.length, String(token.prefix(62)))
    try place.expectRefusal(.length, token + String(repeating: "00", count: 128))
    try place.expectRefusal(.signature, String(token.dropLast(2)))
    try place.expectRefusal(.signature, token + "00")
    try place.expectRefusal(.version, "02" + token.dropFirst(2))
    try place.expectRefusal(.handleType, flipped(token, byte: 3, by: token.byte(3) ^ 0xff))
    try place.expectRefusal(.key, flipped(token, byte: 2, by: 0x40))
    for byte in [1, 4, 8, 16, token.count / 2 - 1] {
      try place.expectRefusal(.signature, flipped(token, byte: byte, by: 1))
    }
    // The case of the digits is none of the token's.
    _ = try place.decoded(token.uppercased())
  }

  private func flipped(_ token: String, byte index: Int, by bits: UInt8) -> String {
    var digits = Array(token)
    let byte = String(token.byte(index) ^ bits, radix: 16)
    digits.replaceSubrange(
      (index * 2)..<(index * 2 + 2), with: Array(byte.count == 1 ? "0" + byte : byte))
    return String(digits)
  }

  @Test(arguments: ["", "0", "xyz", "0g", "00 00", "+100", "0x00", "é0"])
  func whatIsNotHexadecimal(_ token: String) throws {
    let place = try ExportedDirectory.added()
    let result = try handlestore("decode", place.store, "tree", token)
    #expect(result.status == 2)
    #expect(result.errors.contains("is invalid for '<token>'"))
    #expect(result.errors.contains("The token in hexadecimal, without separators."))
  }

  @Test func helpNamesEachCheck() throws {
    let words = try output(of: "decode", "--help").split { !$0.isLetter }
    let names = GateRefusal.allCases.map(\.name)
    #expect(Set(names).count == names.count)
    for name in names { #expect(words.contains(name[...]), "\(name)") }
  }

  @Test func anotherExport() throws {
    let place = try ExportedDirectory.added()
    try output(of: "export", "add", place.store, "other", place.inside.string)
    try place.expectRefusal(.export, place.token("file"), export: "other")
    try output(of: "export", "remove", place.store, "other")
    let token = try place.token("file")
    try output(of: "export", "remove", place.store, "tree")
    try output(of: "export", "add", place.store, "tree", place.inside.string)
    try place.expectRefusal(.export, token)
  }

  @Test func movedOutAndBackAndDeleted() throws {
    let place = try ExportedDirectory.added()
    let token = try place.token("directory/one")
    let (here, there) = (
      place.inside.appending("directory/one"), place.outside.appending("one")
    )
    try rename(here, to: there)
    try place.expectRefusal(.outside, token)
    try rename(there, to: place.inside.appending("back"))
    // The kernel knows the new name as long as the file is open, whoever empties its caches.
    let held = try FileDescriptor.open(place.inside.appending("back"), .readOnly)
    try held.closeAfter { () throws in
      #expect(try place.decoded(token).string("path") == place.inside.appending("back").string)
    }
    try unlink(place.inside.appending("back"))
    try place.expectRefusal(.stale, token)
    // Looking has changed nothing in the store.
    #expect(try output(of: "dump", place.store, "--state", "stale", "--format", "json") == "")
  }

  @Test func aNodeThatWasDropped() throws {
    let place = try ExportedDirectory.added()
    let token = try place.token("directory/one", "--reference")
    try unlink(place.inside.appending("directory/one"))
    #expect(try handlestore("verify", place.store, "--retire").status == 1)
    try place.expectRefusal(.stale, token)
    try output(of: "prune", place.store, "--older-than", "0s")
    try place.expectRefusal(.unknownNode, token)
  }

  @Test func aHardLinkIsNamedByItsNameInside() throws {
    let place = try ExportedDirectory.added()
    try link(place.inside.appending("directory/one"), to: place.outside.appending("link"))
    let token = try place.token("directory/one")
    for containment in ["walk", "kernel"] {
      try output(
        of: "export", "add", place.store, containment, place.inside.string, "--containment",
        containment)
      let other = try place.token("directory/one", export: containment)
      // Now it is the name outside that the kernel knows.
      try write("2", to: "/proc/sys/vm/drop_caches")
      _ = try read(place.outside.appending("link"))
      let decoded = try place.decoded(other, export: containment)
      #expect(decoded.string("path") == place.inside.appending("directory/one").string)
    }
    #expect(try place.decoded(token).isNull("refused"))
  }

  @Test func aFilesystemThatIsNotMounted() throws {
    let place = try ExportedDirectory.added()
    let token = try place.token("file")
    try place.volume.unmount()
    let result = try handlestore("decode", place.store, "tree", token)
    #expect(result.status == 4)
    #expect(result.errors.contains("filesystem 1 is not attached; mount it"))
  }
}

extension String {
  fileprivate func byte(_ index: Int) -> UInt8 {
    UInt8(dropFirst(index * 2).prefix(2), radix: 16) ?? 0
  }
}
