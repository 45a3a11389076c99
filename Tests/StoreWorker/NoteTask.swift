import Foundation
import HandleStore
import SystemPackage

extension Tasks {
  /// Notes requests in a journal without end, and takes back those after the hundredth.
  static func note(_ arguments: [String]) throws {
    let file = try FileDescriptor.open(FilePath(arguments[0]), .readWrite)
    let journal = try IntentJournal(in: file)
    var request: UInt64 = 1
    while true {
      try journal.note(.create(.regular, as: FilePath("name-\(request)")), for: request)
      if request == 100 { say("noted") }
      if request > 100 { journal.forget(request) }
      request += 1
    }
  }
}
