import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// What was noted before a kill tells afterwards whether it was done.
@Suite struct IntentTests {
  /// A directory with files, and what is in it by name.
  private struct Names {
    let temporary: TemporaryDirectory
    let directory: FileDescriptor

    init(_ files: [String] = []) throws {
      temporary = try TemporaryDirectory()
      directory = try FileDescriptor.open(temporary.path, .readOnly)
      for file in files { try write(file, to: temporary.appending(file)) }
    }

    func path(_ name: String) -> String { temporary.appending(name).string }
    func handle(_ name: FilePath) throws -> KernelFileHandle {
      try KernelFileHandle(name: name, in: directory)
    }
  }

  @Test func whatIsCreated() throws {
    let names = try Names()
    let intent = Intent.create(.directory, as: "new")
    #expect(try !intent.wasDone(in: names.directory))
    try write("a file of that name is not the directory", to: names.temporary.appending("new"))
    #expect(try !intent.wasDone(in: names.directory))
    #expect(Glibc.unlink(names.path("new")) == 0)
    #expect(mkdir(names.path("new"), 0o755) == 0)
    #expect(try intent.wasDone(in: names.directory))
  }

  @Test func whatIsLinked() throws {
    let names = try Names(["file", "other"])
    let intent = try Intent.link(names.handle("file"), as: "second")
    #expect(try !intent.wasDone(in: names.directory))
    #expect(Glibc.link(names.path("other"), names.path("second")) == 0)
    #expect(try !intent.wasDone(in: names.directory))
    #expect(Glibc.unlink(names.path("second")) == 0)
    #expect(Glibc.link(names.path("file"), names.path("second")) == 0)
    #expect(try intent.wasDone(in: names.directory))
  }

  @Test func whatIsRemoved() throws {
    let names = try Names(["file", "other"])
    let intent = try Intent.remove("file", of: names.handle("file"))
    #expect(try !intent.wasDone(in: names.directory))
    // Somebody else may have made another file of the name since.
    #expect(Glibc.rename(names.path("other"), names.path("file")) == 0)
    #expect(try intent.wasDone(in: names.directory))
    #expect(Glibc.unlink(names.path("file")) == 0)
    #expect(try intent.wasDone(in: names.directory))
  }

  @Test func whatIsRenamed() throws {
    let names = try Names(["file", "other"])
    #expect(mkdir(names.path("there"), 0o755) == 0)
    let there = try FileDescriptor.open(names.temporary.appending("there"), .readOnly)
    let intent = try Intent.rename(names.handle("file"), from: "file", to: "new")
    #expect(try !intent.wasDone(in: names.directory, newDirectory: there))
    // The same file under both names: a link that was there, and nothing was done.
    #expect(Glibc.link(names.path("file"), names.path("there/new")) == 0)
    #expect(try !intent.wasDone(in: names.directory, newDirectory: there))
    #expect(Glibc.unlink(names.path("file")) == 0)
    #expect(try intent.wasDone(in: names.directory, newDirectory: there))
    #expect(Glibc.rename(names.path("other"), names.path("there/new")) == 0)
    #expect(try !intent.wasDone(in: names.directory, newDirectory: there))
  }

  @Test func whatIsExchanged() throws {
    let names = try Names(["a", "b"])
    let (a, b) = try (names.handle("a"), names.handle("b"))
    let intent = Intent.exchange("a", of: a, with: "b", of: b)
    #expect(try !intent.wasDone(in: names.directory))
    #expect(Glibc.rename(names.path("a"), names.path("c")) == 0)
    #expect(Glibc.rename(names.path("b"), names.path("a")) == 0)
    #expect(try !intent.wasDone(in: names.directory))
    #expect(Glibc.rename(names.path("c"), names.path("b")) == 0)
    #expect(try intent.wasDone(in: names.directory))
  }

  @Test func attributesAndRanges() {
    #expect(Intent.createAttribute("user.a").wasDone(hasAttribute: true))
    #expect(!Intent.createAttribute("user.a").wasDone(hasAttribute: false))
    #expect(Intent.removeAttribute("user.a").wasDone(hasAttribute: false))
    #expect(!Intent.removeAttribute("user.a").wasDone(hasAttribute: true))
    #expect(Intent.insertRange(of: 4096, size: 8192).wasDone(size: 12_288))
    #expect(!Intent.insertRange(of: 4096, size: 8192).wasDone(size: 8192))
    #expect(Intent.collapseRange(of: 4096, size: 8192).wasDone(size: 4096))
    #expect(!Intent.collapseRange(of: 4096, size: 8192).wasDone(size: 8192))
  }

  @Test(.mounts, arguments: [VolumeKind.ext4, .xfs])
  func aRangeThatWasInserted(_ kind: VolumeKind) throws {
    let volume = try Volume(kind)
    let path = volume.path.appending("file")
    try write(String(repeating: "x", count: 64 << 10), to: path)
    let file = try FileDescriptor.open(path, .readWrite)
    defer { try? file.close() }
    let size = try FileStatus(of: file).size
    let intent = Intent.insertRange(of: 4096, size: size)
    #expect(try !intent.wasDone(size: FileStatus(of: file).size))
    try succeed("fallocate", "--insert-range", "-o", "4096", "-l", "4096", path.string)
    #expect(try intent.wasDone(size: FileStatus(of: file).size))
  }
}

/// The journal itself.
@Suite struct IntentJournalTests {
  private let directory: TemporaryDirectory
  private let file: FileDescriptor

  init() throws {
    directory = try TemporaryDirectory()
    file = try FileDescriptor.open(
      directory.appending("journal"), .readWrite, options: .create, permissions: .ownerReadWrite)
  }

  private static func intents() throws -> [Intent] {
    let bytes = (0..<128).map { UInt8($0) }
    let big = try #require(KernelFileHandle(type: HandleType(rawValue: 0xf8), bytes: bytes))
    let small = try #require(KernelFileHandle(type: HandleType(rawValue: 1), bytes: [1, 2, 3]))
    let long = FilePath(String(repeating: "n", count: 255))
    let odd = FilePath(platformString: [CChar(bitPattern: 0xff), CChar(bitPattern: 0x80), 1, 0])
    return [
      .create(.symbolicLink, as: long), .link(big, as: odd), .remove("a", of: small),
      .rename(big, from: long, to: odd), .exchange(odd, of: big, with: long, of: small),
      .createAttribute("user.x"), .removeAttribute("user.y"), .insertRange(of: 1 << 40, size: .max),
      .collapseRange(of: 0, size: 0),
    ]
  }

  @Test func theNextProcessFindsWhatWasNoted() throws {
    let intents = try Self.intents()
    let journal = try IntentJournal(in: file)
    for (i, intent) in intents.enumerated() { try journal.note(intent, for: UInt64(i + 1)) }
    journal.forget(3)
    journal.forget(99)
    let next = try IntentJournal(in: file)
    #expect(next.count == intents.count - 1)
    for (i, intent) in intents.enumerated() {
      #expect(next[UInt64(i + 1)] == (i == 2 ? nil : intent))
    }
  }

  /// A process that is killed while it notes.
  @Test func aKill() throws {
    let child = try Child("storeworker", ["note", directory.appending("journal").string])
    #expect(child.line() == "noted")
    child.kill()
    child.wait()
    let journal = try IntentJournal(in: file)
    // The request that it was noting may be missing; what it had noted before is there.
    #expect(journal.count >= 100)
    for request in UInt64(1)...100 {
      #expect(journal[request] == .create(.regular, as: FilePath("name-\(request)")))
    }
  }

  @Test func unclaimedIntentsMakeRoom() throws {
    let left = try IntentJournal(in: file, capacity: 4)
    for request in UInt64(1)...4 { try left.note(.create(.regular, as: "old"), for: request) }
    expect(.noBufferSpace) {
      try left.note(.create(.regular, as: "one too many"), for: 5)
    }
    let next = try IntentJournal(in: file, capacity: 4)
    #expect(next[2] != nil)
    // Request 2 came again, and is under way; the others were answered.
    try next.note(.create(.regular, as: "again"), for: 2)
    for request in UInt64(11)...13 { try next.note(.create(.regular, as: "new"), for: request) }
    expect(.noBufferSpace) { try next.note(.create(.regular, as: "no"), for: 14) }
    #expect(next[2] == .create(.regular, as: "again"))
    #expect([1, 3, 4].allSatisfy { next[$0] == nil })
  }

  @Test func whatIsNotedTwiceIsTheLast() throws {
    let journal = try IntentJournal(in: file)
    try journal.note(.create(.regular, as: "first"), for: 7)
    try journal.note(.create(.directory, as: "second"), for: 7)
    #expect(journal.count == 1)
    #expect(journal[7] == .create(.directory, as: "second"))
    journal.forget(7)
    #expect(journal[7] == nil)
  }
}
