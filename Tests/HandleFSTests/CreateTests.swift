import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Files that are made by opening them, while others make or kill something.
@Suite struct CreateTests {
  /// A file that somebody else has made, after the kernel was told that there is none and before the
  /// server makes it, is opened by who may open it.
  @Test(.mountsHandleFS, arguments: ["auto", "off"])
  func opensWhatOthersHaveMade(_ passthrough: String) throws {
    let mounted = try Mounted(.ext4, ["--passthrough", passthrough, "--cache-timeout", "1000"])
    chmod(mounted.source.string, 0o777)
    let user = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"]
    let denied = try mounted.create("denied", by: user) {
      try write("secret", to: $0)
      chmod($0.string, 0o600)
    }
    #expect(denied.status != 0 && denied.output.contains("Permission denied"), "\(denied)")
    let opened = try mounted.create("opened") { try write("text\n", to: $0) }
    #expect(opened == (0, "text\n"))
    let made = try mounted.create("made", by: user) { _ in }
    #expect(made == (0, ""))
    #expect(try succeed("stat", "-c", "%u", "\(mounted.source)/made") == "12345\n")
    #expect(try eventually(seconds: 5) { try mounted.status()["opens"] == 0 })
  }

  /// A file without a name that is made once more, because the first reply was never given, is the one
  /// that is written to.
  @Test(.mountsHandleFS, arguments: ["auto", "off"])
  func unnamedFilesAreMadeAgain(_ passthrough: String) throws {
    let mounted = try Mounted(.ext4, ["--passthrough", passthrough])
    let (directory, source) = (mounted.mountpoint, mounted.source)
    for i in 1...3 {
      let server = mounted.serverID ?? 0
      try write("create acted", to: mounted.fault)
      let name = directory.appending("file-\(i)").string
      let answer = try mounted.load("unnamed", directory.string, name, "text \(i)")
      #expect(!FileManager.default.fileExists(atPath: mounted.fault.string), "it was not killed")
      try mounted.waitForNewServer(after: server)
      #expect(answer == "text \(i), 6 bytes, links 1")
      #expect(try read(source.appending("file-\(i)")) == "text \(i)")
      #expect(
        try eventually(seconds: 5) {
          let status = try mounted.status()
          return status["opens"] == 0 && status["files_kept_by_kernel"] == 0
        })
    }
    #expect(try mounted.run(["sh", "-c", "rm \(directory)/file-?"]).status == 0)
    #expect(try eventually(seconds: 5) { try mounted.status()["files_without_name"] == 0 })
  }

  /// A file that was truncated by its path is not held open: it can be executed.
  @Test(.mountsHandleFS, arguments: ["auto", "off"])
  func executesWhatWasTruncated(_ passthrough: String) throws {
    let mounted = try Mounted(.ext4, ["--passthrough", passthrough])
    for (name, directory) in [("one", mounted.mountpoint), ("two", mounted.source)] {
      try succeed("cp", "/bin/true", mounted.source.appending(name).string)
      try mounted.load("truncate", mounted.mountpoint.appending(name).string, "1000000")
      let result = try mounted.run([directory.appending(name).string])
      #expect(result.status == 0, "\(directory): \(result.errors)")
    }
  }

  /// Nor is a file for which there is no room in the cache, however busy the server is.
  @Test(.mountsHandleFS) func executesWhatIsOpenNoMore() throws {
    let mounted = try Mounted(
      .ext4, ["--passthrough", "off", "--cache-timeout", "0"], descriptors: 116)
    let script = #"""
      cd "$0"
      stop=$1/../stop
      for client in 1 2 3 4 5 6 7 8; do
        (while [ ! -e "$stop" ]; do for i in 1 2 3 4 5 6 7 8; do [ -e none-$i ]; done; done) &
      done
      for i in $(seq 40); do echo >other-$i; done
      for round in $(seq 400); do
        cp /bin/true program
        exec 9<>program
        printf '\177' >&9
        for i in $(seq 40); do printf x >other-$i; done
        "$1/program" || echo "round $round"
        exec 9>&-
        rm program
      done
      : >"$stop"
      wait
      """#
    let result = try mounted.run(
      ["sh", "-c", script, mounted.mountpoint.string, mounted.source.string], seconds: 120)
    #expect(result.status == 0 && result.output == "", "\(result.output)\(result.errors)")
  }
}

extension Mounted {
  /// Opens a file through the mount that is made if there is none, and does something right after
  /// the server has seen that there is none.
  ///
  /// - Parameter command: what runs the program that opens it.
  /// - Returns: the exit status, and what was read from the file or said instead.
  fileprivate func create(
    _ name: String, by command: [String] = [], meanwhile body: (FilePath) throws -> Void
  ) throws -> (status: CInt, output: String) {
    // The server reads this wherever it may have to die, and so it waits there.
    #expect(mkfifo(fault.string, 0o600) == 0)
    let opener = try Child(
      command + ["sh", "-c", #"exec 2>&1 3<>"$0"; cat <&3"#, mountpoint.appending(name).string])
    var pipe: CInt = -1
    let waits = eventually(seconds: 10) {
      pipe = open(fault.string, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
      return pipe >= 0
    }
    try unlink(fault)
    #expect(waits, "the server is not asked to make \(name)")
    try body(source.appending(name))
    _ = Glibc.write(pipe, "goes on", 7)
    close(pipe)
    let status = try #require(opener.wait(seconds: 20), "it hangs: \(log)")
    return (status, opener.rest())
  }
}
