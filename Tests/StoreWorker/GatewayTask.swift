import Foundation
import HandleStore
import TestSupport

#if !THREAD_SANITIZER
  import PostgresNodeIndex
#endif

extension Tasks {
  /// Opens the store however long the database is away.
  static func gateway(_ arguments: [String]) throws {
    #if !THREAD_SANITIZER
      let options = GatewayOptions(lease: .seconds(1), patience: .seconds(5))
      while true {
        do {
          let task = try WriteTask(arguments, isShared: true) {
            try Store(shared: $0, gateway: $1, gatewayOptions: options)
          }
          try task.writeUntilKilled()
        } catch StoreError.system(.timedOut, _) {
          usleep(10_000)
        }
      }
    #endif
  }
}
