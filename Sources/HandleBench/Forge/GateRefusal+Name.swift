import HandleStore

extension GateRefusal {
  /// The name of the case.
  var name: String {
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
