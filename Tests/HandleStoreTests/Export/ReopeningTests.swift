import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Opening an export by its name, in a store that has nothing attached.
@Suite(.mounts) struct ReopeningTests {
  @Test(arguments: VolumeKind.allCases) func itAttachesItsFilesystem(_ kind: VolumeKind) throws {
    let exported = try Exported(kind)
    let token = try exported.token("directory/one")
    let other = try Volume(.xfs)
    _ = try exported.store.attach(other.path)
    exported.letGo()
    try exported.test.reopen()
    let export = try exported.store.openExport("tree")
    #expect(try export.contents(token) == "contents of directory/one")
    #expect(try export.lookup("file", in: .node(.root)) != nil)
    let attached = exported.store.knownFilesystems().filter(\.isAttached).map(\.id)
    #expect(attached == [exported.filesystem], "no filesystem but its own")
  }

  @Test func inAStoreForReadingToo() throws {
    let exported = try Exported(.ext4)
    let token = try exported.token("file")
    exported.letGo()
    try exported.store.close()
    let reader = try Store(at: exported.test.path, options: StoreOptions(readOnly: true))
    #expect(try reader.openExport("tree").contents(token) == "contents of file")
    try reader.close()
  }

  @Test func aReaderOpensWhatWasAddedSince() throws {
    let test = try TestStore()
    try test.store.close()
    let reader = try Store(at: test.path, options: StoreOptions(readOnly: true))
    let volume = try Volume(.ext4)
    try succeed(
      Commands.handlestore, "export", "add", test.path.string, "new", volume.path.string)
    #expect(try reader.openExport("new").record.name == "new")
    try reader.close()
  }

  @Test func itsFilesystemHasToBeMounted() throws {
    let exported = try Exported(.ext4)
    let token = try exported.token("file")
    exported.letGo()
    exported.store.detach(exported.filesystem)
    try exported.volume.unmount()
    try exported.test.reopen()
    let missing = StoreError.notAttached(exported.filesystem)
    #expect(throws: missing) { try exported.store.openExport("tree") }
    #expect(missing.description.contains("mount it, then open its export again"))
    try exported.volume.mount()
    #expect(try exported.store.openExport("tree").contents(token) == "contents of file")
  }
}
