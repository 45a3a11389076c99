import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// The keys of a store, and what its tokens are good for without it.
@Suite(.mounts) struct KeyTests {
  private func setMode(_ mode: Int, _ path: FilePath) throws {
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path.string)
  }

  @Test func onlyTheOwnerMayReadThem() throws {
    let exported = try Exported(.ext4)
    let path = exported.test.path.appending("keys")
    let attributes = try FileManager.default.attributesOfItem(atPath: path.string)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    for mode in [0o640, 0o604, 0o660, 0o602] {
      try setMode(mode, path)
      let exposed = StoreError.exposedKeys(path: path)
      #expect(throws: exposed) { try Keyring(ofStoreAt: exported.test.path) }
      #expect(throws: exposed) { try exported.store.reloadKeys() }
    }
    try setMode(0o600, path)
    let token = try exported.token("file")
    try setMode(0o640, path)
    try exported.test.reopen()
    _ = try exported.store.attach(exported.volume.path)
    #expect(throws: StoreError.exposedKeys(path: path)) { try exported.store.openExport("tree") }
    try setMode(0o600, path)
    #expect(try exported.store.openExport("tree").contents(token) == "contents of file")

    let elsewhere = exported.test.directory.appending("elsewhere")
    try TestSupport.rename(path, to: elsewhere)
    try succeed("ln", "-s", elsewhere.string, path.string)
    #expect(throws: StoreError.exposedKeys(path: path)) { try exported.store.reloadKeys() }
  }

  @Test func whatAKilledRotationLeftDoesNotExposeThem() throws {
    let exported = try Exported(.ext4)
    let new = exported.test.path.appending("keys.new")
    try TestSupport.write("left", to: new)
    try setMode(0o666, new)
    #expect(try Keyring.rotate(ofStoreAt: exported.test.path).ids == [1, 2])
    let elsewhere = exported.test.directory.appending("elsewhere")
    try TestSupport.write("somebody's", to: elsewhere)
    try succeed("ln", "-s", elsewhere.string, new.string)
    #expect(try Keyring.rotate(ofStoreAt: exported.test.path).ids == [2, 3])
    #expect(try TestSupport.read(elsewhere) == "somebody's")
  }

  @Test func aServerThatRunsTakesUpARotation() throws {
    let exported = try Exported(.ext4)
    let token = try exported.token("file")
    try Keyring.rotate(ofStoreAt: exported.test.path, keeping: 0)
    sleep(1)
    #expect(throws: refused(.key)) { try exported.export.status(token) }
    #expect(try exported.token("file").bytes[2] == 2)
  }

  @Test func aBackupTakesTheTokensOfItsOriginal() throws {
    let exported = try Exported(.ext4)
    let entry = try #require(try exported.entry("directory/one"))
    let reference = try exported.export.token(for: entry.node, form: .reference)
    let path = exported.test.directory.appending("backup")
    try exported.store.backup(to: path)
    let copy = try Store(at: path)
    _ = try copy.attach(exported.volume.path)
    let export = try copy.openExport("tree")
    #expect(export.root == exported.export.root)
    for token in [entry.token, reference] {
      #expect(try export.lookup(.token(token)).node == entry.node)
    }
    let attributes = try FileManager.default.attributesOfItem(
      atPath: path.appending("keys").string)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    try copy.close()
  }

  @Test func aFileThatIsNotWholeIsDamage() throws {
    let exported = try Exported(.ext4)
    let path = exported.test.path.appending("keys")
    let text = try TestSupport.read(path)
    for wrong in [
      "", "handlestore keys 1\n", String(text.dropLast()), text + "\n",
      text.replacing("signs", with: "signt"), text.replacing("keys 1", with: "keys 2"),
    ] {
      try TestSupport.write(wrong, to: path)
      #expect(throws: StoreError.self, "\(wrong)") { try Keyring(ofStoreAt: exported.test.path) }
    }
  }

  @Test func rotationKeepsAsManyAsItIsTold() throws {
    let exported = try Exported(.ext4)
    let first = try exported.token("file")
    let ring = try Keyring.rotate(ofStoreAt: exported.test.path)
    #expect(ring.ids == [1, 2] && ring.signer == 2)
    try exported.store.reloadKeys()
    let second = try exported.token("file")
    #expect(second != first && second.bytes[2] == 2)
    for token in [first, second] { _ = try exported.export.status(token) }
    try Keyring.rotate(ofStoreAt: exported.test.path, keeping: 0)
    try exported.store.reloadKeys()
    for token in [first, second] {
      #expect(throws: refused(.key)) { try exported.export.status(token) }
    }
    _ = try exported.export.status(exported.token("file"))
    for _ in 0..<600 { try Keyring.rotate(ofStoreAt: exported.test.path, keeping: 1000) }
    #expect(try Keyring(ofStoreAt: exported.test.path)?.ids.count == Keyring.maximumCount)
  }

  /// A key is spread before anybody signs under it: no good token is refused.
  @Test func serversThatShareKeysRotateTogether() throws {
    let exported = try Exported(.ext4)
    let test = try TestStore()
    let (one, two) = (exported.test.path, test.path)
    try Keyring.share(from: one, withStoreAt: two)
    _ = try test.store.attach(exported.volume.path)
    let other = try withDirectory(exported.inside) {
      try test.store.addExport("tree", roots: [$0], id: exported.export.record.id)
    }
    func everyTokenPasses() throws {
      for store in [exported.store, test.store] { try store.reloadKeys() }
      let tokens = [
        try exported.token("file"), try #require(try other.lookup("file", in: .node(.root))).token,
      ]
      for token in tokens {
        for export in [exported.export, other] { _ = try export.status(token) }
      }
    }
    #expect(try Keyring.add(ofStoreAt: one).signer == 1)
    try everyTokenPasses()
    try Keyring.share(from: one, withStoreAt: two)
    try everyTokenPasses()
    #expect(try Keyring.sign(under: 2, ofStoreAt: one).signer == 2)
    try everyTokenPasses()
    try Keyring.share(from: one, withStoreAt: two)
    try everyTokenPasses()
    #expect(throws: StoreError.noKey(9, path: one)) { try Keyring.sign(under: 9, ofStoreAt: one) }
  }

  /// Else a key that was revoked would stay good because the file that says so cannot be read.
  @Test func keysThatCannotBeReadSignAndAdmitNothing() throws {
    let exported = try Exported(.ext4)
    let token = try exported.token("file")
    let path = exported.test.path.appending("keys")
    let text = try TestSupport.read(path)
    let aside = exported.test.directory.appending("aside")
    func nothingPasses() throws {
      let before = exported.store.statistics.errors[.unusableKeys] ?? 0
      for use in [{ _ = try exported.export.status(token) }, { _ = try exported.token("file") }] {
        let error = #expect(throws: StoreError.self) { try use() }
        guard case .unusableKeys(exported.test.path, _) = error else {
          Issue.record("\(String(describing: error))")
          continue
        }
      }
      #expect(exported.store.statistics.errors[.unusableKeys] == before + 2)
    }
    func everythingPasses() throws {
      #expect(try exported.export.contents(token) == "contents of file")
      #expect(try exported.token("file") == token)
    }
    try TestSupport.rename(path, to: aside)
    sleep(1)
    try nothingPasses()
    try TestSupport.rename(aside, to: path)
    try everythingPasses()
    for spoil in [
      { try TestSupport.write(String(text.dropLast(9)), to: path) },
      { try TestSupport.write("", to: path) },
      { try self.setMode(0o644, path) },
      { try TestSupport.unlink(path) },
      { try succeed("ln", "-sf", aside.string, path.string) },
      {
        try TestSupport.unlink(path)
        try makeDirectory(path)
      },
    ] as [() throws -> Void] {
      try spoil()
      #expect(throws: StoreError.self) { try exported.store.reloadKeys() }
      try nothingPasses()
      try succeed("rm", "-rf", path.string)
      try TestSupport.write(text, to: path)
      try everythingPasses()
    }
  }

  @Test func aNewKeyIsFoundWhenATokenNamesIt() throws {
    let exported = try Exported(.ext4)
    let node = try #require(try exported.entry("file")).node
    try Keyring.rotate(ofStoreAt: exported.test.path)
    // A second gateway has read the new key, and signs under it.
    let test = try TestStore()
    try Keyring.share(from: exported.test.path, withStoreAt: test.path)
    _ = try test.store.attach(exported.volume.path)
    let other = try withDirectory(exported.inside) {
      try test.store.addExport("tree", roots: [$0], id: exported.export.record.id)
    }
    let token = try #require(try other.lookup("file", in: .node(.root))).token
    #expect(token.bytes[2] == 2)
    #expect(try exported.export.lookup(.token(token)).node == node)
  }

  @Test(arguments: VolumeKind.allCases) func tokensByValueOutliveTheStore(_ kind: VolumeKind) throws
  {
    let exported = try Exported(kind)
    let names = try files(below: exported.inside)
    let tokens = try names.map { try exported.token($0.name) }
    let references = try names.map {
      try exported.export.token(for: #require(try exported.entry($0.name)).node, form: .reference)
    }
    let test = try TestStore()
    // Its nodes have other numbers.
    let stranger = try withDirectory(exported.outside) { root in
      try test.store.register(FoundFile(name: "file", in: root), on: test.store.attach(root))
    }
    try Keyring.share(from: exported.test.path, withStoreAt: test.path)
    let other = try withDirectory(exported.inside) {
      try test.store.addExport("again", roots: [$0], id: exported.export.record.id)
    }
    if [.ext4, .xfs, .btrfs].contains(kind) { try dropCaches() }
    for (file, token) in zip(names, tokens) {
      // Its tokens have no room for the directory: the kernel has to know the name.
      if kind == .overlay { _ = try NamedFile(file.name, in: exported.inside) }
      let status = try other.status(token)
      #expect(status.inode == file.status.inode, "\(file.name)")
      #expect(try other.lookup(.token(token)).node != stranger.node)
    }
    // By reference they would name other files here.
    for token in references {
      #expect(throws: refused(.signature)) { try other.status(token) }
    }
  }

  @Test(arguments: VolumeKind.allCases.filter(\.lasts)) func theyOutliveARestartAndARemount(
    _ kind: VolumeKind
  ) throws {
    let exported = try Exported(kind)
    let names = ["", "file", "directory/below/two", "symlink"]
    let entries = try names.map { try #require(try exported.entry($0)) }
    let references = try entries.map {
      try exported.export.token(for: $0.node, form: .reference)
    }
    let root = exported.export.root
    exported.letGo()
    try exported.store.close()
    try exported.volume.remountElsewhere()
    try exported.test.reopen()
    _ = try exported.store.attach(exported.volume.path)
    let export = try exported.store.openExport("tree")
    #expect(export.root == root)
    for (entry, reference) in zip(entries, references) {
      for token in [entry.token, reference] {
        let again = try export.lookup(.token(token))
        #expect(again.node == entry.node && again.status.inode == entry.status.inode)
      }
    }
    #expect(throws: StoreError.noExport("none")) { try exported.store.openExport("none") }
  }
}
