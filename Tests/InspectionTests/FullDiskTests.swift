import HandleStore
import SystemPackage
import TestSupport
import Testing

@Suite(.enabled(if: mayMount)) struct FullDiskTests {
  @Test func aRepairOrBackupWithoutRoomLeavesTheStore() throws {
    let small = try SmallStore(plain: 3000)
    let directory = try TemporaryDirectory()
    let mounted = try run("mount", "-t", "tmpfs", "-o", "size=1m", "none", directory.path.string)
    try #require(mounted.status == 0, "\(mounted.errors)")
    defer { _ = try? run("umount", "-l", directory.path.string) }
    let path = directory.appending("store")
    let copied = try run("cp", "-r", small.path.string, path.string)
    try #require(copied.status == 0, "\(copied.errors)")
    let original = try bytes(of: path.appending("data.mdb"))
    #expect(throws: StoreError.diskFull(path: path)) { try Store.repair(at: path) }
    #expect(try bytes(of: path.appending("data.mdb")) == original)
    #expect(try !names(in: path).contains("repair"))
    #expect(try Store.check(at: path).findings == [])
    let target = directory.appending("backup")
    let store = try Store(at: small.path)
    _ = try run("fallocate", "-l", "500k", directory.appending("ballast").string)
    #expect(throws: StoreError.self) { try store.backup(to: target) }
    try store.close()
    #expect(try !names(in: directory.path).contains("backup"))
  }
}
