import Foundation
import HandleStore
import SystemPackage
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

  /// `cached DATABASE NAME DIRECTORY COUNT`: a gateway with a cache in a directory, and a lease of 5 seconds.
  /// Registers files, prints the id of the first, and then retires each node that it reads the id of.
  static func cached(_ arguments: [String]) throws {
    #if !THREAD_SANITIZER
      let store = try Store(
        shared: arguments[0], cache: FilePath(arguments[2]), gateway: arguments[1],
        options: StoreOptions(cacheSize: 1),
        gatewayOptions: GatewayOptions(lease: .seconds(5), patience: .seconds(5)))
      let filesystem = try Synthetic.attach(to: store)
      let files = (1...(UInt64(arguments[3]) ?? 1)).map { Synthetic.file($0) }
      say("\(try store.register(batch: files, on: filesystem)[0].node.rawValue)")
      while let id = readLine().flatMap({ UInt64($0) }) {
        try store.retire(NodeID(rawValue: id))
        say("retired")
      }
      try store.close()
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
