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

  /// `threadless DATABASE`: joins the gateways of a store while the process can have no further thread.
  /// Root may have as many as it likes, so it becomes the user of the server.
  static func threadless(_ arguments: [String]) throws {
    #if !THREAD_SANITIZER
      var limit = rlimit(rlim_cur: 1, rlim_max: 1)
      setrlimit(__rlimit_resource_t(__RLIMIT_NPROC.rawValue), &limit)
      if geteuid() == 0, let user = getpwnam("postgres")?.pointee { setuid(user.pw_uid) }
      do {
        _ = try Store(shared: arguments[0], gateway: "threadless")
        say("open")
      } catch {
        say("\(error)")
      }
    #endif
  }
}
