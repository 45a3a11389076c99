import CYardstick
import Foundation
import SystemPackage

/// Walks through the same files on each server. The kernel keeps what it has seen, and so do servers.
struct Walks {
  private static let parts = 20

  private let place: WorkingPlace
  private let source: String
  private let files: Int

  /// Makes so many files, in parts of equal size.
  init(in place: WorkingPlace, files: Int) throws {
    self.place = place
    self.files = max(1, files / Self.parts)
    source = "\(place.root)/walk"
    for part in 0..<Self.parts {
      let directory = "\(source)/\(part)"
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: true)
      try load(FSLOAD_CREATE, directory)
    }
  }

  func measure(_ contender: Contender, check: () throws -> Void) throws -> Walk {
    try place.dropCaches()
    return try place.withMount(contender, of: source) { mounted in
      let server = mounted.server()
      let points = try (0...Self.parts).map { part in
        try check()
        if part > 0 { try load(FSLOAD_LIST, "\(mounted.path)/\(part - 1)") }
        let used = MountedContender.usage(of: server)
        return Walk.Point(
          files: part * files, descriptors: used.descriptors, kibibytes: used.kibibytes)
      }
      return Walk(name: contender.name, points: points)
    }
  }

  private func load(_ kind: fsload_kind, _ directory: String) throws {
    let took = try FileDescriptor.withDirectory(directory) {
      fsload(kind, $0.rawValue, 1, Int64(files))
    }
    guard took >= 0 else {
      throw BenchError(description: "the walk: \(Errno(rawValue: CInt(-took)))")
    }
  }
}
