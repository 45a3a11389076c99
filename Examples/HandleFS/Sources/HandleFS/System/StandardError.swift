internal import CHandleFS
internal import Glibc
internal import HandleLocks
internal import SystemPackage

/// What C libraries print on standard error.
enum StandardError {
  private static let receiver = Locked<(@Sendable (String) -> Void)?>(nil)

  /// Has a crash end the process without Swift's backtrace, which is many lines of text.
  static func omitBacktraces() { hf_crash_silently() }

  /// Passes each line that a C library prints on `stderr` to `body` from now on. What is written to
  /// descriptor 2 itself is not passed.
  static func pass(to body: @escaping @Sendable (String) -> Void) throws(Errno) {
    receiver.withLock { $0 = body }
    try checked(
      unsafe hf_take_errors { text, length in
        let bytes = unsafe Array(UnsafeRawBufferPointer(start: text, count: length))
        let body = StandardError.receiver.withLock { $0 }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
          body?(String(decoding: line, as: UTF8.self))
        }
      })
  }
}
