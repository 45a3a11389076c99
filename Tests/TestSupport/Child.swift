import CTestSupport
import Foundation
import Glibc

/// A program that runs beside the test, with pipes to its input and from its output. It is killed
/// with the value.
public final class Child: @unchecked Sendable {
  /// Its process id.
  public let pid: pid_t
  private var input: CInt
  private let output: CInt
  private var buffer: [UInt8] = []
  private var status: CInt?

  /// Starts a program that was built with the tests.
  public convenience init(_ product: String, _ arguments: [String]) throws {
    try self.init([TestSupport.product(product)] + arguments)
  }

  /// Starts a program, found in PATH if it has no slash.
  public init(_ command: [String]) throws {
    // A child that has ended is seen by its status.
    signal(SIGPIPE, SIG_IGN)
    var (toChild, fromChild): ([CInt], [CInt]) = ([-1, -1], [-1, -1])
    guard ts_pipe(&toChild) == 0, ts_pipe(&fromChild) == 0 else {
      throw CommandFailure(description: "no pipe for \(command)")
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
    posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
    var arguments = command.map { strdup($0) } + [nil]
    defer { arguments.forEach { free($0) } }
    var pid: pid_t = 0
    // A thread of the tests may block signals. A shell that cannot get SIGCHLD waits forever.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    let failure = posix_spawnp(
      &pid, command[0], &actions, &attributes, &arguments, ts_environment())
    Glibc.close(toChild[0])
    Glibc.close(fromChild[1])
    (self.pid, input, output) = (pid, toChild[1], fromChild[0])
    guard failure == 0 else {
      status = failure
      throw CommandFailure(description: "\(command[0]): \(String(cString: strerror(failure)))")
    }
  }

  /// Starts a program that sees another boot id than this process does.
  ///
  /// - Parameter directory: for the file that has it.
  public convenience init(afterBoot command: [String], _ directory: TemporaryDirectory) throws {
    let boot = directory.appending("boot_id")
    try TestSupport.write("\(UUID().uuidString.lowercased())\n", to: boot)
    try self.init(
      [
        "unshare", "--mount", "--propagation", "private", "--", "sh", "-c",
        "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"", boot.string,
      ] + command)
  }

  /// The next line that it prints; `nil` at the end, or if none comes in so many seconds.
  public func line(seconds: Int32 = 60) -> String? {
    while true {
      if let end = buffer.firstIndex(of: 10) {
        defer { buffer.removeFirst(end + 1) }
        return String(decoding: buffer[..<end], as: UTF8.self)
      }
      var waiting = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
      guard poll(&waiting, 1, seconds * 1000) == 1 else { return nil }
      var chunk = [UInt8](repeating: 0, count: 4096)
      let n = read(output, &chunk, chunk.count)
      guard n > 0 else { return nil }
      buffer += chunk[..<n]
    }
  }

  /// Everything that it prints until it ends.
  public func rest() -> String {
    var text = ""
    while let line = line() { text += line + "\n" }
    return text
  }

  /// Gives it a line to read.
  public func send(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    _ = Glibc.write(input, bytes, bytes.count)
  }

  /// Ends what it can read.
  public func endInput() {
    if input >= 0 { Glibc.close(input) }
    input = -1
  }

  /// Sends it SIGKILL, and waits for its end.
  public func kill() {
    if status == nil { Glibc.kill(pid, SIGKILL) }
    wait()
  }

  /// Waits for its end; returns the exit status, negative if a signal ended it.
  @discardableResult
  public func wait() -> CInt {
    if let status { return status }
    var raw: CInt = 0
    while waitpid(pid, &raw, 0) < 0 && errno == EINTR {}
    let status = raw & 0x7f == 0 ? (raw >> 8) & 0xff : -(raw & 0x7f)
    self.status = status
    return status
  }

  /// Waits for its end, at most so long; returns the exit status, `nil` if it still runs.
  public func wait(seconds: Double) -> CInt? {
    let end = ContinuousClock.now + .seconds(seconds)
    while status == nil {
      var raw: CInt = 0
      if waitpid(pid, &raw, WNOHANG) == pid {
        status = raw & 0x7f == 0 ? (raw >> 8) & 0xff : -(raw & 0x7f)
      } else if ContinuousClock.now > end {
        return nil
      } else {
        usleep(2000)
      }
    }
    return status
  }

  deinit {
    kill()
    endInput()
    Glibc.close(output)
  }
}
