internal import SystemPackage

/// What a guest sends its host: the options of its mount, and its session.
struct GuestRequest {
  let options: MountOptions
  let session: SessionDescriptors

  /// Takes over the descriptors that a guest has sent. If this throws, or returns `nil` because the guest
  /// is of another version, they stay the caller's, to close.
  init?(_ descriptors: [FileDescriptor]) throws {
    guard let text = descriptors.last, let session = SessionDescriptors(descriptors.dropLast())
    else { return nil }
    let words = String(decoding: try text.contents(), as: UTF8.self)
    options = try MountOptions.parse(
      words.split(separator: "\0", omittingEmptySubsequences: false).map(String.init))
    self.session = session
    try? text.close()
  }

  /// Sends a request.
  static func send(
    _ options: MountOptions, _ session: SessionDescriptors, to host: FileDescriptor
  ) throws(Errno) {
    let text = try Processes.memoryFile("handlefs options")
    defer { try? text.close() }
    try text.writeOnce(Array(options.arguments.joined(separator: "\0").utf8))
    try Processes.send(.join, with: session.all + [text], to: host)
  }
}
