import CYardstick
import Formatting
import Foundation
import SystemPackage

/// A repository and a C program, for commands that people run. They are made once, outside of the
/// measurement, and all contenders show them in turn.
struct Projects {
  private(set) var turns: [Turn] = []
  /// What is not measured, and why.
  private(set) var missing: [Missing] = []

  /// Makes both below a directory.
  init(in directory: String, files: Int) throws {
    if let reason = Self.lacks(["git"]) {
      missing.append(Missing(name: "git status", reason: reason))
    } else {
      turns.append(try Self.repository("\(directory)/repository", files: 5 * files))
    }
    if let reason = Self.lacks(["gcc", "make"]) {
      missing.append(Missing(name: "compile", reason: reason))
    } else {
      turns.append(try Self.program("\(directory)/program", files: max(1, files / 50)))
    }
  }

  private static func lacks(_ programs: [String]) -> String? {
    programs.first { Contender.find($0) == nil }.map { "\($0) is not in PATH" }
  }

  private static func create(_ directory: String) throws {
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
  }

  private static func repository(_ directory: String, files: Int) throws -> Turn {
    try create(directory)
    let made = try FileDescriptor.withDirectory(directory) {
      fsload(FSLOAD_CREATE, $0.rawValue, 1, Int64(files))
    }
    guard made >= 0 else { throw Errno(rawValue: CInt(-made)) }
    let git = ["git", "-C", "{directory}"]
    let author = ["-c", "user.name=handlebench", "-c", "user.email=handlebench@localhost"]
    for command in [["init", "-q"], ["add", "-A"], author + ["commit", "-q", "-m", "Files"]] {
      try FileSystemWorkload.run(git + command, in: directory)
    }
    let name = "git status, \(Text.grouped(files)) files"
    let status = git + ["status", "--porcelain"]
    // The first run takes over the inode numbers that this contender shows.
    return Turn(
      name: "git status", source: directory, preparation: status,
      workloads: [
        FileSystemWorkload(name: name, clients: 1, work: .command(status)),
        FileSystemWorkload(name: name + ", cold", clients: 1, work: .command(status), isCold: true),
      ])
  }

  private static func program(_ directory: String, files: Int) throws -> Turn {
    try create(directory)
    for (name, text) in CProgram.files(files) {
      try Text.write(text, to: FilePath("\(directory)/\(name)"))
    }
    let jobs = ProcessInfo.processInfo.activeProcessorCount
    let make = ["make", "-s", "-C", "{directory}"]
    return Turn(
      name: "compile", source: directory, preparation: make + ["clean"],
      workloads: [
        FileSystemWorkload(
          name: "compile, \(Text.grouped(files)) files", clients: jobs,
          work: .command(make + ["-j\(jobs)"]))
      ])
  }
}

/// The source of a C program: so many files, twenty headers that each of them includes, and a
/// Makefile that also runs the program.
private enum CProgram {
  static func files(_ count: Int) -> [(name: String, text: String)] {
    let headers = (0..<20).map {
      ("h\($0).h", "static inline int h\($0)(int x) { return x + \($0); }\n")
    }
    let sources = (0..<count).map { ("f\($0).c", source($0)) }
    return headers + sources + [("main.c", main(count)), ("Makefile", makefile)]
  }

  private static let includes =
    "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
    + (0..<20).map { "#include \"h\($0).h\"\n" }.joined()

  private static func source(_ number: Int) -> String {
    includes + "int f\(number)(int x) { return h\(number % 20)(x) - \(number % 20); }\n"
  }

  private static func main(_ count: Int) -> String {
    (0..<count).map { "int f\($0)(int);\n" }.joined() + "int main(void)\n{\n    int x = 0;\n"
      + (0..<count).map { "    x = f\($0)(x);\n" }.joined() + "    return x;\n}\n"
  }

  private static let makefile = """
    OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))
    all: program
    \t./program
    program: $(OBJECTS)
    \t$(CC) -o $@ $^
    %.o: %.c $(wildcard *.h)
    \t$(CC) -O1 -c -o $@ $<
    clean:
    \trm -f program $(OBJECTS)
    .PHONY: all clean

    """
}
