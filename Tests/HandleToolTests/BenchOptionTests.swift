import Foundation
import TestSupport
import Testing

/// What `handlebench run` measures and refuses.
struct BenchOptionTests {
  private struct Result: Decodable {
    struct Workload: Decodable {
      let name: String
      let contenders: [Contender]
    }
    struct Contender: Decodable {
      let name: String
      let rounds: [Double]
    }
    struct Missing: Decodable { let name, reason: String }

    let workloads: [Workload]
    let missing: [Missing]
  }

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func bench(_ arguments: String...) throws -> CommandResult {
    try run(
      [Commands.handlebench, "run", "--directory", directory.path.string] + arguments)
  }

  /// Runs the smallest benchmark and returns what it wrote.
  private func result(_ arguments: String...) throws -> Result {
    let file = directory.appending("result.json").string
    let ran = try run(
      [Commands.handlebench, "run", "--directory", directory.path.string, "--json", file]
        + ["--nodes", "1000", "--rounds", "1"] + arguments)
    try #require(ran.status == 0, "\(ran.errors)")
    return try JSONDecoder().decode(
      Result.self, from: Data(contentsOf: URL(fileURLWithPath: file)))
  }

  private var leftovers: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: directory.path.string) }
  }

  // MARK: What is measured

  @Test func everythingIsMeasured() throws {
    let result = try result()
    let names = result.workloads.map(\.name)
    for work in ["register, one by one", "register, batched", "get, warm", "get, random"] {
      for numbering in ["scattered", "clustered"] {
        #expect(names.contains("\(work), \(numbering)"))
      }
    }
    for workload in result.workloads {
      for contender in workload.contenders {
        #expect(!contender.rounds.isEmpty && contender.rounds.allSatisfy { $0 > 0 })
      }
    }
    try checkEngines(result)
  }

  /// An engine is measured, or what to install is said.
  private func checkEngines(_ result: Result) throws {
    let got = try #require(result.workloads.first { $0.name == "get, random, clustered" })
    let measured = got.contenders.map(\.name)
    #expect(measured.prefix(2) == ["library", "plain LMDB"])
    #expect(measured.contains("memory"))
    for (name, package) in [
      ("SQLite", "libsqlite3-0"), ("RocksDB", "librocksdb-dev"), ("libmdbx", "LD_LIBRARY_PATH"),
    ] {
      let missing = result.missing.first { $0.name == name }
      #expect(measured.contains(name) != (missing != nil), "\(name)")
      #expect(missing?.reason.contains(package) != false, "\(name)")
    }
  }

  @Test func filesAreNumberedAsAsked() throws {
    let names = try result("--inodes", "clustered").workloads.map(\.name)
    #expect(names.contains("register, batched, clustered"))
    #expect(!names.contains { $0.contains("scattered") })
  }

  /// The filesystem of the tree has the stores, too.
  @Test(.opensHandles) func aTreeBesideTheStores() throws {
    let tree = directory.appending("tree")
    try succeed("mkdir", tree.string)
    for i in 0..<100 { try write("\(i)", to: tree.appending("file\(i)")) }
    let result = try result("--inodes", "clustered", "--tree", tree.string)
    let names = result.workloads.map(\.name)
    for name in ["open by node, and close", "decode, walk", "encode by value", "signature"] {
      #expect(names.contains(name))
    }
    let whole = "decode, whole-filesystem"
    #expect(names.contains(whole) != result.missing.contains { $0.name == whole })
    #expect(try Set(leftovers) == ["tree", "result.json"])
  }

  // MARK: What is refused before any work begins

  @Test(arguments: [
    ["--nodes", "999"], ["--nodes", "100000001"], ["--inodes", "sorted"], ["--threads", "0"],
    ["--rounds", "0"],
  ]) func wrongUsage(_ arguments: [String]) throws {
    let result = try run([Commands.handlebench, "run"] + arguments)
    #expect(result.status == 64)
    #expect(result.output == "")
  }

  @Test(arguments: [
    ("--directory", "/no/such/directory", "name a directory that exists"),
    ("--tree", "/no/such/directory", "name a directory that exists"),
    ("--tree", "/etc/passwd", "name a directory that exists"),
    ("--json", "/no/such/directory/result.json", "name another file"),
    ("--json", "/etc", "name another file"),
    ("--directory", "/proc/self", "cannot be created"),
  ]) func badPaths(_ option: String, _ path: String, _ advice: String) throws {
    let result = try bench("--nodes", "100000", option, path)
    #expect(result.status == 1)
    #expect(result.output == "")
    #expect(result.errors.contains(path))
    #expect(result.errors.contains(advice), "\(result.errors)")
    #expect(try leftovers == [])
  }

  @Test(.enabled(if: mayMount, "mounting needs root")) func tooLittleRoom() throws {
    let volume = try Volume(.ext4)
    let result = try bench("--nodes", "100000000", "--directory", volume.path.string)
    #expect(result.status == 1)
    #expect(result.output == "")
    #expect(result.errors.contains("the run needs up to 56.5 GiB on the disk"), "\(result.errors)")
    #expect(result.errors.contains("fewer --nodes"))
    let left = try FileManager.default.contentsOfDirectory(atPath: volume.path.string)
    #expect(left.allSatisfy { $0 == "lost+found" })
  }

  /// A run that is interrupted removes its stores.
  @Test func interruption() throws {
    let result = try run([
      "timeout", "--preserve-status", "-s", "INT", "2", Commands.handlebench, "run",
      "--directory", directory.path.string,
    ])
    #expect(result.status == 1)
    #expect(result.errors.contains("interrupted"))
    #expect(try leftovers == [])
  }
}
