import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// The decision that all engines share.
@Suite struct RelationTests {
  private func file(_ generation: UInt32, _ type: FileType = .regular) -> FileRelation.File {
    let handle = Synthetic.handle(1, generation: generation)
    return FileRelation.File(handle: handle, key: handle.fileKey(on: .tmpfs), type: type)
  }

  private func opaque(_ number: UInt64) -> FileRelation.File {
    FileRelation.File(handle: Synthetic.opaque(number, length: 20), key: nil, type: .regular)
  }

  @Test(arguments: [nil, Survivor.candidate, .other, .both, .neither, .unknown])
  func theSameFileIsTheSame(_ survivor: Survivor?) {
    #expect(FileRelation(of: file(1), to: file(1), survivor: survivor) == .same)
    #expect(FileRelation(of: opaque(1), to: opaque(1), survivor: survivor) == .same)
  }

  @Test(arguments: [
    (nil, FileRelation.contested), (Survivor.candidate, .replaced), (.neither, .replaced),
    (.unknown, .replaced), (.other, .stale), (.both, .replaced),
  ]) func anotherGeneration(_ survivor: Survivor?, _ relation: FileRelation) {
    #expect(FileRelation(of: file(1), to: file(2), survivor: survivor) == relation)
    #expect(FileRelation(of: file(1), to: file(1, .directory), survivor: survivor) == relation)
  }

  @Test(arguments: [
    (nil, FileRelation.contested), (Survivor.candidate, .replaced), (.neither, .replaced),
    (.unknown, .replaced), (.other, .stale), (.both, .separate),
  ]) func anotherOpaqueHandle(_ survivor: Survivor?, _ relation: FileRelation) {
    #expect(FileRelation(of: opaque(1), to: opaque(2), survivor: survivor) == relation)
  }
}
