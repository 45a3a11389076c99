internal import Glibc
internal import SystemPackage

extension SystemCalls {
  /// `rmdir(2)`
  static func removeDirectory(_ path: FilePath) throws(Errno) {
    let result = unsafe path.withPlatformString { unsafe Glibc.rmdir($0) }
    guard result == 0 else { throw Errno(rawValue: errno) }
  }
}
