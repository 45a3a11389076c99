/// Why the gate of an export refused what a client sent. The cases are in the order of the checks.
public enum GateRefusal: Int, Error, CaseIterable, Hashable, Sendable {
  /// Its length is not that of a token, or not the length that the header of its file handle
  /// states.
  case length
  /// Its handle has a type that no filesystem makes.
  case handleType
  /// This library does not know its version.
  case version
  /// This server does not have the key that signed it, or no longer has it.
  case key
  /// That key did not sign it: it was forged, cut or changed.
  case signature
  /// It is for another export, or for a layer that this export does not have.
  case export
  /// The store does not have the node that names its file: the node was dropped, or never existed.
  case unknownNode
  /// The file is gone (`ESTALE`), or no longer has a name.
  case stale
  /// Its inode belongs to another file now, and the kernel would have opened that file.
  case replaced
  /// The file has another type than the one in the token or on record.
  case fileType
  /// The file is not in the export, or has no known name there.
  case outside
}

extension GateRefusal {
  /// The case's name, which never changes: for counters, logs and programs.
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
    case .length:
      "this is not a token: its length is wrong; send a token exactly as it was given out"
    case .version:
      "the token has a version that this library does not know; use the release that made it"
    case .handleType:
      "the token has a handle type that no filesystem makes; send a token exactly as it was given out"
    case .key:
      "the token was signed by a key that this store does not have: the key was rotated out, or "
        + "belongs to another server; look the file up again, or share the key"
    case .signature:
      "the token's signature is wrong: the token was forged, cut or changed on the way"
    case .export: "the token is for another export; send it to the server that gave it out"
    case .unknownNode: "the token's node was dropped or never existed; look the file up again"
    case .stale: "the token is stale: its file is gone; look the file up again by its name"
    case .replaced:
      "the token is stale: its inode belongs to another file now; look the file up again by its name"
    case .fileType: "the token's file has another type now; look the file up again by its name"
    case .outside:
      "the file is outside the export, or no name of it there is known; look it up again by its name"
    }
  }
}
