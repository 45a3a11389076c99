import Foundation
import TestSupport
import Testing

/// The C functions of HandleFS, in a program of their own (`Tests/HandleFSShims`).
@Suite struct ShimTests {
  @Test(.enabled(if: ProcessInfo.processInfo.environment["HANDLEFS"] != nil))
  func theyHoldAgainstWhatIsNotUsual() throws {
    let directory = try TemporaryDirectory()
    let program = directory.appending("shims").string
    let sources = "Examples/HandleFS/Sources/CHandleFS"
    let script = """
      cc -Wall -Werror -fsanitize=address,undefined -fno-sanitize=alignment \
      -fno-sanitize-recover=all -O1 -o "$1" \
      -I "$2/include" Tests/HandleFSShims/shims.c "$2"/*.c \
      $(pkg-config --cflags --libs fuse3 liburing) -lpthread -ldl
      """
    try succeed("sh", "-c", "cd \"$0\" && \(script)", Self.root, program, sources)
    let result = try run(program)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
  }

  /// Of the package.
  private static let root = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    .dropLast(3).joined(separator: "/")
}
