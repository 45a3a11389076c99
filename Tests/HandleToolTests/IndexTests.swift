import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite(.opensHandles) struct IndexTests {
  @Test func aSecondRunCreatesNothing() throws {
    let place = try Workplace()
    let first = try figures(output(of: "index", place.store, place.tree, "--json"))
    #expect(first.number("created") == UInt64(Workplace.files))
    // The second name of the file with two.
    #expect(first.number("existing") == 1)
    #expect(first.number("directories") == 3)
    #expect(first.number("refused") == 0)
    let again = try figures(output(of: "index", place.store, place.tree, "--json"))
    #expect(again.number("created") == 0)
    #expect(again.number("existing") == UInt64(Workplace.files) + 1)
  }

  @Test func aStoreInTheTreeIsLeftOut() throws {
    let place = try Workplace()
    let store = place.path("store").string
    let first = try figures(output(of: "index", store, place.tree, "--json"))
    #expect(first.number("created") == UInt64(Workplace.files))
    #expect(first.number("skipped") == 1)
    let again = try figures(output(of: "index", store, place.tree, "--json"))
    #expect(again.number("created") == 0 && again.number("skipped") == 1)
  }

  @Test func noStoreIsMadeForATreeWithoutHandles() throws {
    let directory = try TemporaryDirectory()
    let store = directory.appending("store").string
    let result = try handlestore("index", store, "/proc")
    #expect(result.status == 4)
    #expect(!FileManager.default.fileExists(atPath: store))
  }

  /// The numbers of closed streams are given to the next files that are opened.
  @Test func closedStreamsDoNoHarm() throws {
    let place = try Workplace()
    let command = [Commands.handlestore, "index", place.store, place.tree]
    let result = try run(["sh", "-c", #""$@" <&- >&- 2>&-"#, "sh"] + command)
    #expect(result.status == 0)
    try output(of: "check", place.store)
    #expect(try place.nodes().count == Workplace.files)
  }

  @Test func theFiguresAreAligned() throws {
    let place = try Workplace()
    let lines = try output(of: "index", place.store, place.tree).split(separator: "\n")
    let counts = lines.filter { !$0.hasPrefix("seconds") }
    #expect(Set(counts.map(\.count)).count == 1)
    #expect(lines.contains { $0.hasPrefix("created  ") && $0.hasSuffix(" 30") })
    #expect(lines.contains { $0.hasPrefix("files a second  ") })
  }

  @Test func nothingIsDrawnWhereNobodyLooks() throws {
    let place = try Workplace()
    let result = try handlestore("index", place.store, place.tree)
    #expect(result.errors == "")
  }

  @Test func namesThatAreNotUTF8() throws {
    let place = try Workplace()
    let script = #"mkdir "$1/$(printf 'd\377')" && : > "$1/$(printf 'd\377/\376\375')""#
    try succeed("sh", "-c", script, "sh", place.tree)
    let counts = try figures(output(of: "index", place.store, place.tree, "--json"))
    #expect(counts.number("created") == UInt64(Workplace.files) + 2)
    #expect(counts.number("refused") == 0)
    let find = #"stat -c %i "$1/$(printf 'd\377/\376\375')""#
    let inode = try UInt64(succeed("sh", "-c", find, "sh", place.tree).dropLast())
    let found = try place.nodes().first { $0.number("inode") == inode }
    let node = try #require(found?.number("node"))
    let opened = try figures(output(of: "open", place.store, "\(node)", "--json"))
    #expect(opened.isNull("path"))
    #expect(opened.string("path_bytes")?.hasSuffix("2f64ff2ffefd") == true)
    let text = try output(of: "open", place.store, "\(node)")
    #expect(text.contains(#"/tree/d\xff/\xfe\xfd"#))
  }

  @Test func aReplacedFileHasANewNode() throws {
    // Where inode numbers come back at once.
    let volume = try Volume(.ext4, megabytes: 8)
    let store = try TemporaryDirectory()
    try write("old", to: volume.path.appending("file"))
    let arguments = [store.appending("store").string, volume.path.string, "--json"]
    try succeed([Commands.handlestore, "index"] + arguments)
    try unlink(volume.path.appending("file"))
    try write("new", to: volume.path.appending("file"))
    let counts = try figures(succeed([Commands.handlestore, "index"] + arguments))
    #expect(counts.number("replaced") == 1)
    #expect(counts.number("created") == 0)
  }

  @Test(arguments: ["tmpfs", "proc"]) func otherMountsAreSkipped(_ kind: String) throws {
    let place = try Workplace()
    let mount = try Mount(["-t", kind, "handlestore"], at: place.path("directory/other"))
    let counts = try figures(output(of: "index", place.store, place.tree, "--json"))
    #expect(counts.number("skipped") == 1)
    #expect(counts.number("refused") == 0)
    #expect(counts.number("created") == UInt64(Workplace.files))
    try mount.unmount()
  }

  @Test func aBindMountIsAnotherMount() throws {
    let place = try Workplace()
    let mount = try Mount(["--bind", place.tree], at: place.path("directory/again"))
    let counts = try figures(output(of: "index", place.store, place.tree, "--json"))
    #expect(counts.number("skipped") == 1)
    #expect(counts.number("directories") == 3)
    try mount.unmount()
  }

  @Test func aFileThatCannotBeReachedIsRefused() throws {
    let volume = try Volume(.ext4, megabytes: 8)
    try write("broken", to: volume.path.appending("broken"))
    try write("whole", to: volume.path.appending("whole"))
    try volume.unmount()
    try succeed("debugfs", "-w", "-R", "clri /broken", volume.image.string)
    try volume.mount()
    let store = try TemporaryDirectory()
    let result = try handlestore(
      "index", store.appending("store").string, volume.path.string, "--json")
    #expect(result.status == 1)
    let counts = try figures(result.output)
    #expect(counts.number("refused") == 1)
    // The root, lost+found and the file.
    #expect(counts.number("created") == 3)
  }

  @Test func aDirectoryOfManyFiles() throws {
    let volume = try Volume(.tmpfs)
    let script = "cd $1 && mkdir sub && seq -f 'sub/f%g' 1 9000 | xargs touch && mkdir sub/last"
    try succeed("sh", "-c", script, "sh", volume.path.string)
    let store = try TemporaryDirectory()
    let counts = try figures(
      output(of: "index", store.appending("store").string, volume.path.string, "--json"))
    #expect(counts.number("created") == 9003)
    #expect(counts.number("directories") == 3)
  }

  @Test func aDeepTreeNeedsFewDescriptors() throws {
    let place = try Workplace()
    let script =
      "cd $1; for i in $(seq 300); do mkdir a-long-name-for-a-directory && cd -P a*; done"
    try succeed("bash", "-c", script, "bash", place.tree)
    let command = "ulimit -n 24; exec \"$0\" index \"$1\" \"$2\" --json"
    let text = try succeed(
      "bash", "-c", command, Commands.handlestore, place.store, place.tree)
    #expect(try figures(text).number("created") == UInt64(Workplace.files) + 300)
    try succeed("rm", "-r", place.tree)
  }

  @Test func withoutDescriptorsTheSystemIsToBlame() throws {
    let place = try Workplace()
    let command = "ulimit -n 7; exec \"$0\" index \"$1\" \"$2\""
    let result = try run(
      "bash", "-c", command, Commands.handlestore, place.store, place.tree)
    #expect(result.status == 4)
    #expect(result.errors.contains("no file descriptors are left"))
  }

  @Test func aTerminalSeesABarThatGoesAway() throws {
    let place = try Workplace()
    let command = "'\(Commands.handlestore)' index '\(place.store)' '\(place.tree)'"
    let result = try run("script", "-qec", command, "/dev/null")
    #expect(result.status == 0)
    #expect(result.output.contains("\r\u{1b}[K"))
  }
}
