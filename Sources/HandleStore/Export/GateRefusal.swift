/// Why the gate of an export refused what a client sent, in the order in which it looks.
public enum GateRefusal: Int, Error, CaseIterable, Hashable, Sendable {
  /// It has not the length of a token, or not that of the handle in it.
  case length
  /// Its handle has a type that no filesystem makes.
  case handleType
  /// It has another version than this library knows.
  case version
  /// It was signed under a key that is not here, or not any more.
  case key
  /// It was not signed under that key: forged, cut or changed.
  case signature
  /// It is for another export, or for a layer that this one does not have.
  case export
  /// The node by which it names its file is not here: it was dropped, or never was.
  case unknownNode
  /// The file is gone (`ESTALE`), or has no name any more.
  case stale
  /// Its inode belongs to another file now, and the kernel would have opened that.
  case replaced
  /// The file is of another type than it was.
  case fileType
  /// The file is not in the export, or has no name there that is known.
  case outside
}

extension GateRefusal {
  /// The case's name, which stays as it is: for counters, logs and programs.
  ///
  /// - Complexity: O(1). Any thread.
  public var name: String {
    switch self {
    case .length: "length"
    case .version: "version"
    case .handleType: "handleType"
    case .key: "key"
    case .signature: "signature"
    case .export: "export"
    case .unknownNode: "unknownNode"
    case .stale: "stale"
    case .replaced: "replaced"
    case .fileType: "fileType"
    case .outside: "outside"
    }
  }
}

extension GateRefusal: CustomStringConvertible {
  /// What was refused, why, and what to do.
  public var description: String {
    switch self {
    case .length: "this is not a token: its length is wrong; send a token as it was given out"
    case .version:
      "the token has a version that this library does not know; use the release that made it"
    case .handleType:
      "the token holds a handle of a type that no filesystem makes; send a token as it was given out"
    case .key:
      "the token was signed under a key that is not here; it was rotated out, or belongs to another "
        + "server: look the file up again, or share the key"
    case .signature: "the token's signature is wrong: it was forged, cut or changed on the way"
    case .export: "the token is for another export; send it to the server that gave it out"
    case .unknownNode: "the token's node was dropped, or never was; look the file up again"
    case .stale: "the token is stale: its file is gone; look the file up again by its name"
    case .replaced:
      "the token is stale: its inode belongs to another file now; look the file up again by its name"
    case .fileType: "the token's file has another type now; look the file up again by its name"
    case .outside:
      "the file is outside of the export, or no name of it there is known; look it up again by its name"
    }
  }
}
