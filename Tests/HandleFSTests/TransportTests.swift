import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// The test needs a kernel that hands out requests over io_uring.
  static var usesRings: Self {
    .enabled(
      if: Mounted.program != nil && mayMount && Rings.areOffered || isContinuousIntegration,
      "needs Y in \(Rings.switch) (Linux 6.14), root, and HANDLEFS, as in Scripts/test")
  }
}

enum Rings {
  static let `switch` = FilePath("/sys/module/fuse/parameters/enable_uring")
  static var areOffered: Bool { (try? read(`switch`)) == "Y\n" }
  /// What `--transport` may be here.
  static var transports: [String] {
    areOffered || isContinuousIntegration ? ["dev", "uring"] : ["dev"]
  }
}

/// Requests over io_uring, and from /dev/fuse if the kernel does not offer that (Docs/Transport.md).
@Suite struct TransportTests {
  @Test(
    .usesRings,
    arguments: [
      (["--transport", "auto"], "io_uring"), (["--transport", "uring"], "io_uring"),
      (["-o", "transport=uring"], "io_uring"), (["--transport", "dev"], "/dev/fuse"),
      // Linux would look for the requests of killed servers.
      (["--transport", "auto", "--request-timeout", "60"], "/dev/fuse"),
    ])
  func isAsAsked(_ options: [String], _ expected: String) throws {
    let mounted = try Mounted(.ext4, options)
    try write("text", to: mounted.source.appending("file"))
    #expect(try mounted.transport == expected)
    // Also after a restart.
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(try mounted.run(["cat", mounted.mountpoint.appending("file").string]).output == "text")
    #expect(try mounted.transport == expected)
  }

  @Test(.mountsHandleFS) func doesNotGoTogetherWithATimeout() throws {
    let program = try #require(Mounted.program)
    let result = try run(
      program, "/usr", "/mnt", "--store", "/nowhere", "--transport", "uring", "--request-timeout",
      "5")
    #expect(result.status == 2 && result.errors.contains("--request-timeout"), "\(result.errors)")
  }

  /// If io_uring cannot be used, `uring` says why, and `auto` does without.
  @Test(.usesRings) func saysWhyItCannotBeUsed() throws {
    let directory = try TemporaryDirectory()
    let library = directory.appending("cpuset.so").string
    let source = directory.appending("cpuset.c")
    // As if a cpuset kept the process from all processors but those that it has.
    try write("int sched_setaffinity() { return -1; }", to: source)
    try succeed("cc", "-w", "-shared", "-fPIC", "-o", library, source.string)
    let mounted = try Mounted(.ext4, by: ["LD_PRELOAD=\(library)"])
    #expect(try mounted.transport == "/dev/fuse")
    try mounted.unmount()
    let program = try #require(Mounted.program)
    let result = try mounted.run(
      [
        "env", "LD_PRELOAD=\(library)", program, mounted.source.string,
        mounted.mountpoint.string, "--store", mounted.store.string, "--transport", "uring",
      ], seconds: 20)
    #expect(result.status != 0)
    #expect(result.errors.contains("a cpuset keeps this process from some processors"))
    #expect(!mounted.isMounted)
  }

  enum Known: String, CaseIterable {
    case nothing, directory, file
  }

  /// Requests that came while no server was there are answered, whatever the kernel knows, also if no
  /// other request comes.
  @Test(.usesRings, arguments: Known.allCases)
  func whatHasQueuedIsAnswered(_ known: Known) throws {
    let mounted = try Mounted(.ext4, ["--transport", "uring", "--cache-timeout", "0"])
    try write("", to: mounted.source.appending("file"))
    try FileManager.default.createDirectory(
      atPath: mounted.source.appending("directory").string, withIntermediateDirectories: false)
    if known != .nothing {
      _ = try mounted.run(["stat", mounted.mountpoint.appending(known.rawValue).string])
    }
    for _ in 1...3 {
      let supervisor = try #require(mounted.supervisorID)
      try stop(supervisor)
      let server = try mounted.killServer()
      #expect(eventually(seconds: 10) { mounted.serverID != server })
      let processors = ProcessInfo.processInfo.processorCount
      let waiting = try (0..<2 * processors).map {
        try Child(["taskset", "-c", "\($0 % processors)", "ls", mounted.mountpoint.string])
      }
      usleep(100_000)
      kill(supervisor, SIGCONT)
      try mounted.waitForNewServer(after: server)
      for child in waiting { #expect(child.wait(seconds: 20) == 0, "\(mounted.log)") }
      // Servers that end after less than a tenth of a second are replaced only after a while.
      usleep(150_000)
    }
    try mounted.expectHealth()
  }

  /// Requests of more than 8,192 bytes and replies of more than 1,024 take another way (Docs/Transport.md).
  @Test(.usesRings) func sizesDoNotMatter() throws {
    let mounted = try Mounted(.xfs, ["--transport", "uring", "--passthrough", "off"])
    try write("", to: mounted.source.appending("file"))
    let program = """
      import os, sys
      data = os.urandom(9000)
      for size in [*range(1000, 1050), *range(8050, 8220)]:
          os.setxattr(sys.argv[1], "user.a", data[:size])
          assert os.getxattr(sys.argv[1], "user.a") == data[:size], size
          file = os.open(sys.argv[1], os.O_RDWR | os.O_TRUNC)
          assert os.write(file, data[:size]) == size
          os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
          assert os.pread(file, 9000, 0) == data[:size], size
          os.close(file)
      """
    let user = try Child(["python3", "-c", program, "\(mounted.mountpoint)/file"])
    for _ in 1...3 {
      usleep(150_000)
      try mounted.waitForNewServer(after: mounted.killServer())
    }
    #expect(user.wait(seconds: 60) == 0, "\(mounted.log)")
  }

  /// A program that gets signals all the time has its requests answered, and those of others are, too.
  @Test(.usesRings) func signalsDoNotMatter() throws {
    let mounted = try Mounted(.ext4, ["--transport", "uring", "--cache-timeout", "0"])
    let program = """
      import os, signal, sys
      if sys.argv[2]:
          signal.signal(signal.SIGALRM, lambda *_: None)
          signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
      place = sys.argv[1] + "/" + str(os.getpid())
      def call(function, *arguments):
          while True:
              try:
                  return function(*arguments)
              except InterruptedError:
                  pass
      call(os.mkdir, place)
      while not os.path.exists(sys.argv[3]):
          call(os.symlink, "target", place + "/a")
          call(os.rename, place + "/a", place + "/b")
          assert call(os.readlink, place + "/b") == "target"
          assert call(os.listdir, place) == ["b"]
          call(os.unlink, place + "/b")
      signal.setitimer(signal.ITIMER_REAL, 0)
      """
    let stop = mounted.volume.path.appending("stop")
    let users = try ["signals", "", "signals", ""].map {
      try Child(["python3", "-c", program, "\(mounted.mountpoint)", $0, "\(stop)"])
    }
    for _ in 1...10 * soak {
      usleep(150_000)
      try mounted.waitForNewServer(after: mounted.killServer())
    }
    try write("", to: stop)
    for user in users { #expect(user.wait(seconds: 20) == 0, "\(mounted.log)") }
    try mounted.expectHealth()
  }

  /// If only the memory of the rings may be locked, and not that of the requests, these come over io_uring all
  /// the same.
  @Test(.usesRings) func memoryNeedNotBeLocked() throws {
    let mounted = try Mounted(
      .ext4, ["--transport", "uring"],
      by: ["prlimit", "--memlock=1000000:1000000", "setpriv", "--bounding-set", "-ipc_lock"])
    try write("text", to: mounted.source.appending("file"))
    for _ in 1...3 {
      #expect(try mounted.run(["cat", "\(mounted.mountpoint)/file"]).output == "text")
      usleep(150_000)
      try mounted.waitForNewServer(after: mounted.killServer())
    }
  }

  /// A mount that is idle uses no processor, and its threads do not count as waiting for a disk.
  @Test(.usesRings) func idleThreadsSleep() throws {
    let mounted = try Mounted(.ext4, ["--transport", "uring"])
    let server = try #require(mounted.serverID)
    /// In hundredths of a second.
    func used() throws -> Int {
      try read(FilePath("/proc/\(server)/stat")).split(separator: " ").dropFirst(13).prefix(2)
        .compactMap { Int($0) }.reduce(0, +)
    }
    usleep(500_000)
    let before = try used()
    usleep(2_000_000)
    // Other threads look at their work now and then.
    #expect(try used() - before <= 2)
    let blocked = try read("/proc/stat").split(separator: "\n").first {
      $0.hasPrefix("procs_blocked")
    }
    let count = try #require(blocked?.split(separator: " ").last.flatMap { Int($0) })
    // Other tests may wait for a disk. There are at least eight threads.
    #expect(count < 8)
  }
}

extension Mounted {
  fileprivate var transport: String? {
    get throws {
      let program = try #require(Self.program)
      let answer = try run([program, "status", mountpoint.string])
      return answer.output.split(separator: "\n").first { $0.hasPrefix("transport ") }
        .flatMap { $0.split(separator: " ").last.map(String.init) }
    }
  }
}
