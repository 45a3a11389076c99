import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// A thread that serves one busy client runs on its processor and gives way to it (SCHED_IDLE), so that the
/// client stays there (Docs/HandleFS.md).
@Suite struct GivingWayTests {
  @Test(.mountsHandleFS, arguments: Rings.transports)
  func threadsGiveWayToABusyClient(_ transport: String) throws {
    let mounted = try Mounted(.ext4, ["--transport", transport])
    #expect(try mounted.threadsThatGiveWay.isEmpty)
    let before = try mounted.processorsOfThreads
    let client = try mounted.busyClient()
    // Over io_uring all threads of the client's processor.
    let least = transport == "uring" ? 2 : 1
    #expect(
      try eventually(seconds: 60) {
        let processors = try mounted.processorsOfThreads
        let giving = try Dictionary(grouping: mounted.threadsThatGiveWay) { processors[$0] }
        return giving.values.contains { $0.count >= least }
      })
    client.kill()
    #expect(try eventually(seconds: 60) { try mounted.threadsThatGiveWay.isEmpty })
    // Also those that were started meanwhile.
    let all = try #require(before["\(mounted.serverID ?? 0)"])
    for (thread, processors) in try mounted.processorsOfThreads {
      #expect(processors == before[thread] ?? all)
    }
  }

  /// Over `/dev/fuse` the thread has to follow, and soon.
  @Test(.mountsHandleFS) func threadsFollowTheirClient() throws {
    let mounted = try Mounted(.ext4, ["--transport", "dev"])
    let program = """
      import os, time
      while True:
          for processor in 0, 1:
              os.sched_setaffinity(0, {processor})
              end = time.monotonic() + 0.1
              while time.monotonic() < end: os.statvfs('\(mounted.mountpoint)')
      """
    let client = try Child(["python3", "-c", program])
    #expect(try eventually(seconds: 60) { try !mounted.threadsThatGiveWay.isEmpty })
    let (server, its) = ("\(mounted.serverID ?? 0)", "\(client.pid)")
    var together = 0
    // A look takes time that the two then lack.
    for _ in 1...100 {
      usleep(20_000)
      let processor = try processorsOfThread(its, of: its)
      let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server)/task")
      if threads.contains(where: {
        (try? processorsOfThread($0, of: server)) == processor
      }) {
        together += 1
      }
    }
    client.kill()
    #expect(together > 75, "together at \(together) of 100 looks")
  }

  /// With `--cpus` they follow it to no other processor.
  @Test(.mountsHandleFS) func threadsKeepToTheirProcessors() throws {
    let mounted = try Mounted(.ext4, ["--transport", "dev", "--cpus", "1"])
    let client = try mounted.busyClient(by: ["taskset", "-c", "0"])
    for _ in 1...100 {
      usleep(10_000)
      try #require(mounted.processorsOfThreads.values.allSatisfy { $0 == "1" })
    }
    client.kill()
  }

  /// Without CAP_SYS_NICE there would be no way back.
  @Test(.mountsHandleFS, arguments: Rings.transports)
  func noThreadGivesWayForEver(_ transport: String) throws {
    let mounted = try Mounted(
      .ext4, ["--transport", transport],
      by: ["setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice"])
    let before = try mounted.processorsOfThreads
    let client = try mounted.busyClient()
    for _ in 1...100 {
      usleep(10_000)
      try #require(mounted.threadsThatGiveWay.isEmpty)
      try #require(mounted.processorsOfThreads.allSatisfy { $1 == before[$0] ?? $1 })
    }
    client.kill()
  }

  /// Neither thread parks, although requests seldom queue. Over io_uring each processor has threads anyway.
  @Test(.mountsHandleFS) func twoClientsHaveAThreadEach() throws {
    let mounted = try Mounted(.ext4, ["--transport", "dev"])
    let program = """
      import os, sys
      os.mkdir(sys.argv[1])
      os.chdir(sys.argv[1])
      open('a', 'w').close()
      while True:
          os.rename('a', 'b')
          os.rename('b', 'a')
      """
    let clients = try ["0", "1"].map {
      try Child(["taskset", "-c", $0, "python3", "-c", program, "\(mounted.mountpoint)/\($0)"])
    }
    try #require(
      eventually(seconds: 60) {
        ["0", "1"].allSatisfy {
          FileManager.default.fileExists(atPath: "\(mounted.mountpoint)/\($0)")
        }
      })
    usleep(1_000_000)
    let before = try mounted.ticksOfThreads
    let busiest = before.sorted { $0.value > $1.value }.prefix(2).map(\.key)
    let server = try #require(mounted.serverID)
    var parked = 0
    // Few files: a look takes time that the threads then lack.
    for _ in 1...200 {
      usleep(10_000)
      for thread in busiest {
        let place = try read(FilePath("/proc/\(server)/task/\(thread)/wchan"))
        if place.hasPrefix("futex") { parked += 1 }
      }
    }
    let after = try mounted.ticksOfThreads
    for client in clients { client.kill() }
    #expect(parked < 40, "two threads were parked at \(parked) of 200 looks together")
    let worked = busiest.map { (after[$0] ?? 0) - (before[$0] ?? 0) }
    #expect(worked.allSatisfy { $0 > 20 }, "the two worked for \(worked) clock ticks")
  }

  /// Beside a program that computes, a thread that gives way would get next to no time. So it does not for
  /// long.
  @Test(.mountsHandleFS, arguments: Rings.transports)
  func noThreadGivesWayToOthers(_ transport: String) throws {
    let mounted = try Mounted(.ext4, ["--transport", transport])
    let other = try Child(["taskset", "-c", "0", "sh", "-c", "while :; do :; done"])
    let client = try mounted.busyClient(by: ["taskset", "-c", "0"])
    // The first pauses are short.
    usleep(2_000_000)
    var looks = 0
    for _ in 1...200 {
      usleep(5000)
      if try !mounted.threadsThatGiveWay.isEmpty { looks += 1 }
    }
    #expect(looks < 100, "threads gave way in \(looks) of 200 looks")
    client.kill()
    other.kill()
  }
}

/// On which processors a thread of a process may run, such as "0-1"; `nil` if that is not to be seen.
private func processorsOfThread(_ thread: String, of process: String) throws -> Substring? {
  let status = try read(FilePath("/proc/\(process)/task/\(thread)/status"))
  let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
  return line?.split(separator: "\t").last
}

extension Mounted {
  /// The threads of the server, by their numbers.
  private var threads: [String] {
    get throws {
      try FileManager.default.contentsOfDirectory(atPath: "/proc/\(#require(serverID))/task")
    }
  }

  /// A field of each thread's line of proc_pid_stat(5), as it is numbered there. No thread has a space in its
  /// name.
  private func statusOfThreads(_ number: Int) throws -> [String: Int] {
    let server = try #require(serverID)
    return try threads.reduce(into: [:]) { status, thread in
      let fields = try? read(FilePath("/proc/\(server)/task/\(thread)/stat")).split(separator: " ")
      status[thread] = fields.flatMap { $0.count >= number ? Int($0[number - 1]) : nil }
    }
  }

  /// Those that run only when a processor has nothing else to do.
  fileprivate var threadsThatGiveWay: [String] {
    get throws {
      let idlePolicy = 5
      return try statusOfThreads(41).filter { $1 == idlePolicy }.map(\.key)
    }
  }

  /// How much time of a processor each has had, in clock ticks.
  fileprivate var ticksOfThreads: [String: Int] {
    get throws { try statusOfThreads(14).merging(statusOfThreads(15), uniquingKeysWith: +) }
  }

  /// On which processors each thread may run.
  fileprivate var processorsOfThreads: [String: Substring] {
    get throws {
      let server = try #require(serverID)
      return try threads.reduce(into: [:]) { processors, thread in
        processors[thread] = try? processorsOfThread(thread, of: "\(server)")
      }
    }
  }

  /// A program that sends one request after another.
  fileprivate func busyClient(by wrapper: [String] = []) throws -> Child {
    let program = "import os\nwhile True: os.statvfs('\(mountpoint)')"
    return try Child(wrapper + ["python3", "-c", program])
  }
}
