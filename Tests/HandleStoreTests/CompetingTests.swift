import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Two files that had the same inode number one after the other: the kernel says which exists.
@Suite(.mounts) struct CompetingTests {
  /// A file that was unlinked, and the file that has its inode number now.
  private struct Pair {
    let dead: FoundFile
    let living: FoundFile

    init(in directory: FilePath) throws {
      for attempt in 0..<100 {
        let name = "file-\(attempt)"
        try write("first", to: directory.appending(name))
        let first = try withDirectory(directory) { try FoundFile(name: FilePath(name), in: $0) }
        try unlink(directory.appending(name))
        try write("second", to: directory.appending(name))
        let second = try withDirectory(directory) { try FoundFile(name: FilePath(name), in: $0) }
        guard first.status.inode == second.status.inode else { continue }
        (dead, living) = (first, second)
        return
      }
      throw CommandFailure(description: "no inode number was used again")
    }
  }

  @Test func aLateRegistrationOfADeadFileIsStale() throws {
    let volume = try Volume(.ext4)
    let pair = try Pair(in: volume.path)
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let pins = try test.store.pinsInMemory()
    let found = try test.store.register(pair.living, on: id, pinnedBy: pins)
    #expect(found.outcome == .created)
    let refusal = StoreError.staleHandle(pair.dead.handle)
    #expect(throws: refusal) { try test.store.register(pair.dead, on: id) }
    #expect(throws: refusal) { try test.store.register(pair.dead, on: id, pinnedBy: pins) }
    #expect(try test.store.contents(found.node) == "second")
    let again = try test.store.register(pair.living, on: id)
    #expect(again.node == found.node && again.outcome == .existing)
    #expect(test.store.statistics.replaced == 0)
    #expect(test.store.statistics.errors[.staleHandle] == 2)
  }

  /// In a batch a dead file has an outcome of its own, and the other files are registered.
  @Test(arguments: [false, true]) func inABatchOthersAreRegistered(_ pinned: Bool) throws {
    let volume = try Volume(.ext4)
    let pair = try Pair(in: volume.path)
    try write("third", to: volume.path.appending("third"))
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let pins = pinned ? try test.store.pinsInMemory() : nil
    let living = try test.store.register(pair.living, on: id).node
    let third = try NamedFile("third", in: volume.path).found
    let found = try test.store.register(
      batch: [pair.dead, third, pair.living, pair.dead], on: id,
      pinnedBy: pins)
    #expect(found.map(\.outcome) == [.stale, .created, .existing, .stale])
    #expect(found[2].node == living && found[0].node.rawValue == 0 && found[3].node.rawValue == 0)
    #expect(try test.store.contents(living) == "second")
    if let pins { #expect(found.map { pins.count(of: $0.node) } == [0, 1, 1, 0]) }
    #expect(try test.store.everyNode().count == 2)
  }

  /// Both files in one batch, in the order in which they existed, and reversed.
  @Test(arguments: [false, true]) func bothInOneBatch(_ isReversed: Bool) throws {
    let volume = try Volume(.ext4)
    let pair = try Pair(in: volume.path)
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let both = [pair.dead, pair.living]
    let found = try test.store.register(batch: isReversed ? both.reversed() : both, on: id)
    if isReversed {
      #expect(found.map(\.outcome) == [.created, .stale])
    } else {
      #expect(found.map(\.outcome) == [.created, .replaced(found[0].node)])
    }
    let living = found[isReversed ? 0 : 1].node
    #expect(try test.store.everyNode(in: .live).map(\.id) == [living])
    #expect(try test.store.contents(living) == "second")
  }

  /// On a filesystem that is not attached, the store cannot ask the kernel which file exists.
  @Test func onADetachedFilesystemTheLaterFileReplacesTheFirst() throws {
    let volume = try Volume(.ext4)
    let pair = try Pair(in: volume.path)
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let first = try test.store.register(pair.dead, on: id).node
    test.store.detach(id)
    #expect(try test.store.register(pair.living, on: id).outcome == .replaced(first))
  }

  /// Threads register files that they found a while ago, while their inode numbers are used again.
  @Test func eachFileIsReportedAsNewOnlyOnce() throws {
    let seed = seed(usually: 7)
    let volume = try Volume(.ext4, megabytes: 8, format: ["-N", "64"])
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let store = test.store
    let told = try inThreads(6) { thread in
      var random = SeededGenerator(seed: seed &+ UInt64(thread))
      var held: [FoundFile] = []
      var told: [KernelFileHandle] = []
      for i in 0..<(1500 * soak) {
        let name = FilePath("file-\(thread)-\(i)")
        try write("\(name)", to: volume.path.appending(name.string))
        held.append(try withDirectory(volume.path) { try FoundFile(name: name, in: $0) })
        if Bool.random(using: &random) { try unlink(volume.path.appending(name.string)) }
        if held.count > 3 {
          let late = held.remove(at: .random(in: 0..<held.count, using: &random))
          do {
            let found = try store.register(late, on: id)
            if found.outcome != .existing { told.append(late.handle) }
          } catch StoreError.staleHandle {
          }
        }
        try? unlink(volume.path.appending(name.string))
      }
      return told
    }.flatMap { $0 }
    #expect(told.count > 5000 && Set(told).count == told.count, "seed \(seed)")
    try test.store.close()
    #expect(try Store.check(at: test.path).findings == [], "seed \(seed)")
  }

  /// On an overlayfs over two tmpfs, whose handles are opaque, files of both have the same `st_ino`.
  @Test func twoLivingFilesOfOneNumberKeepTheirNodes() throws {
    let directory = try TemporaryDirectory()
    let lower = try Mount(["-t", "tmpfs", "lower"], at: directory.appending("lower"))
    let upper = try Mount(["-t", "tmpfs", "upper"], at: directory.appending("upper"))
    for name in ["upper", "work"] {
      try FileManager.default.createDirectory(
        atPath: upper.path.appending(name).string, withIntermediateDirectories: false)
    }
    for i in 0..<40 { try write("lower \(i)", to: lower.path.appending("lower-\(i)")) }
    let merged = try Mount(
      [
        "-t", "overlay", "-o",
        "lowerdir=\(lower.path),upperdir=\(upper.path)/upper,workdir=\(upper.path)/work,"
          + "index=on,nfs_export=on", "overlay",
      ], at: directory.appending("merged"))
    for i in 0..<40 { try write("upper \(i)", to: merged.path.appending("upper-\(i)")) }
    let test = try TestStore()
    let id = try test.store.attach(merged.path)
    let files = try TestSupport.files(below: merged.path)
    let numbers = Dictionary(grouping: files, by: \.status.inode).filter { $0.value.count > 1 }
    try #require(numbers.count > 10, "files of both layers have one number")
    for _ in 0..<3 {
      for file in files { _ = try test.store.register(file.found, on: id) }
      _ = try test.store.register(batch: files.map(\.found), on: id)
    }
    #expect(test.store.statistics.created == UInt64(files.count))
    #expect(test.store.statistics.replaced == 0)
    for file in files {
      let node = try #require(try test.store.node(of: file.handle, on: id)).id
      #expect(
        try test.store.contents(node) == file.name.replacing("-", with: " "), "\(file.name)")
    }
    // The files of the upper layer are removed; those of the lower one stay, and later files are new.
    for file in files where file.name.hasPrefix("upper") {
      try unlink(merged.path.appending(file.name))
    }
    for i in 0..<40 { try write("new \(i)", to: merged.path.appending("new-\(i)")) }
    for file in try TestSupport.files(below: merged.path) {
      let found = try test.store.register(file.found, on: id)
      #expect((found.outcome == .existing) == file.name.hasPrefix("lower"), "\(file.name)")
    }
    try test.store.close()
    #expect(try Store.check(at: test.path).findings == [])
    _ = try Store.repair(at: test.path)
    try test.reopen(StoreOptions())
    for file in files where file.name.hasPrefix("lower") {
      #expect(try test.store.node(of: file.handle, on: id)?.state == .live, "\(file.name)")
    }
    try test.store.close()
    try merged.unmount()
  }
}
