import HandleStore
import SystemPackage
import TestSupport
import Testing

/// What is a name in a directory, and what is a path.
@Suite(.mounts) struct NameTests {
  /// Each of them leads somewhere, and none is a name in the directory.
  private static let paths: [FilePath] = [
    ".", "..", "/", "/etc/passwd", "directory/one", "./file", "../inside/file", "directory/..",
  ]

  @Test func aNameIsOneComponent() throws {
    let exported = try Exported(.ext4)
    try withDirectory(exported.inside) { inside in
      for path in Self.paths + [""] {
        expect(.invalidArgument, "\(path)") { try FoundFile(name: path, in: inside) }
        expect(.invalidArgument, "\(path)") {
          try FileStatus(name: path, in: inside)
        }
        expect(.invalidArgument, "\(path)") {
          try KernelFileHandle(name: path, in: inside)
        }
      }
      for name in ["file", "...", "..file", ".file", "a b", "\u{ff0f}"] as [FilePath] {
        try TestSupport.write("\(name)", to: exported.inside.pushing(name))
        let found = try FoundFile(name: name, in: inside)
        #expect(try found.status == FileStatus(name: name, in: inside))
        #expect(try found.handle == KernelFileHandle(name: name, in: inside))
      }
    }
  }

  /// A path would end at the zero byte, and lose the slash at its end.
  @Test func whatAClientSentIsANameOrNone() {
    for name in ["file", "...", "a b", "\u{ff0f}"] {
      #expect(FilePath(name: Array(name.utf8))?.string == name)
    }
    #expect(FilePath(name: [0x66, 0xff])?.bytes == [0x66, 0xff])
    for other in ["", ".", "..", "/", "file/", "a/b", "/etc/passwd", "file\0", "..\0x", "\0"] {
      #expect(FilePath(name: Array(other.utf8)) == nil, "\(other.debugDescription)")
    }
  }

  @Test func aPathLeadsAnywhere() throws {
    let exported = try Exported(.ext4)
    try withDirectory(exported.inside) { inside in
      let file = try FoundFile(name: "file", in: inside)
      for path in ["file", "./file", "directory/../file", "../inside/file"] as [FilePath] {
        let found = try FoundFile(resolving: path, in: inside)
        #expect(found.status == file.status && found.handle == file.handle)
        #expect(try FileStatus(resolving: path, in: inside) == file.status)
        #expect(try KernelFileHandle(resolving: path, in: inside) == file.handle)
        #expect(try FoundFile.mount(resolving: path, in: inside) == file.mount)
      }
      for path in Self.paths { _ = try FileStatus(resolving: path, in: inside) }
      expect(.noSuchFileOrDirectory) { try FoundFile(resolving: "", in: inside) }
    }
  }
}
