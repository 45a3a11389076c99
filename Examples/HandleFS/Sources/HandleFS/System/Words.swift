internal import Glibc
internal import SystemPackage

/// 64-bit words in memory that several processes have open.
extension FileDescriptor {
  /// Returns the word at an index; 0 if the file ends before it.
  func word(_ index: Int) throws(Errno) -> UInt64 {
    var word: UInt64 = 0
    guard unsafe Glibc.pread(rawValue, &word, 8, index * 8) >= 0 else {
      throw Errno(rawValue: errno)
    }
    return word
  }

  func setWord(_ index: Int, _ word: UInt64) throws(Errno) {
    var word = word
    guard unsafe Glibc.pwrite(rawValue, &word, 8, index * 8) == 8 else {
      throw Errno(rawValue: errno)
    }
  }
}
