internal import SystemPackage

extension StoreError {
  private static let gatewayPrefix = "the gateway "

  /// Another process has joined under the name of a gateway.
  package static func nameTaken(gateway: String) -> StoreError {
    .inUse(path: FilePath(gatewayPrefix + gateway), pid: nil)
  }

  /// Returns the gateway's name from the path of ``nameTaken(gateway:)``.
  static func gateway(of path: FilePath) -> String? {
    path.string.hasPrefix(gatewayPrefix)
      ? String(path.string.dropFirst(gatewayPrefix.count)) : nil
  }
}
