import CTestSupport
import Foundation
import HandleStore
import SystemPackage
import TestSupport

/// Tasks that change the process they run in.
extension Tasks {
  /// `hold STORE`: opens a store for writing and keeps it open until its input ends.
  static func hold(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]))
    say("open")
    while readLine() != nil {}
    try store.close()
  }

  /// `crowd STORE ro|rw`: reads from 64 threads at once after a line on its input, and stays.
  static func crowd(_ arguments: [String]) throws {
    let store = try Store(
      at: FilePath(arguments[0]), options: StoreOptions(readOnly: arguments[1] == "ro"))
    say("open")
    _ = readLine()
    let counts = try inThreads(64) { _ in
      try (0..<20).map { _ in try store.nodes(limit: 200).nodes.count }.max() ?? 0
    }
    say("read \(counts.max() ?? 0)")
    while readLine() != nil {}
  }

  /// `readers STORE`: 8 threads read and check all nodes again and again until killed; prints how
  /// many nodes there are each time that there are more.
  static func readers(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]), options: StoreOptions(readOnly: true))
    say("open")
    _ = try inThreads(8) { number -> Void in
      var last = 0
      while true {
        let page = try store.nodes(from: NodeID(rawValue: UInt64(last + 2)), limit: 100_000)
        for node in page.nodes where try store.node(node.id)?.handle != node.handle {
          throw Usage("node \(node.id)")
        }
        last += page.nodes.count
        if number == 0 && !page.nodes.isEmpty { say("\(last)") }
      }
    }
  }

  /// `descriptors STORE`: uses a store while the process has none left, and after.
  static func descriptors(_ arguments: [String]) throws {
    var limit = rlimit(rlim_cur: 40, rlim_max: 40)
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let store = try Store(at: FilePath(arguments[0]))
    let directory = FilePath(arguments[1])
    let filesystem = try store.attach(directory)
    let file = try NamedFile("file", in: directory)
    let node = try store.register(file.handle, status: file.status, on: filesystem).node
    var taken: [FileDescriptor] = []
    while let next = try? FileDescriptor.open("/dev/null", .readOnly) { taken.append(next) }
    for (what, call) in [
      ("open", { _ = try store.open(node, .readOnly) }),
      ("path", { _ = try store.open(node) }),
      ("store", { _ = try Store(at: FilePath(arguments[0] + "-2")) }),
      ("mounted", { _ = try store.attachMounted() }),
    ] as [(String, () throws -> Void)] {
      do {
        try call()
        say("\(what) fine")
      } catch {
        say("\(what) \(name(error))")
      }
    }
    _ = try store.registerEach(1_000_000..<1_000_100, on: filesystem)
    for descriptor in taken { try descriptor.close() }
    try store.open(node, .readOnly).close()
    try store.close()
    say("usable")
  }

  /// `fork STORE`: calls everything in the child of a fork(2), and goes on in the parent.
  static func fork(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]))
    let filesystem = try Synthetic.attach(to: store)
    let node = try store.register(Synthetic.candidate(1), on: filesystem).node
    let child = ts_fork()
    if child == 0 {
      for (what, call) in calls(store, node, filesystem) {
        do {
          try call()
          say("\(what) went through")
        } catch {
          say("\(what) \(name(error))")
        }
      }
      _exit(0)
    }
    var status: CInt = 0
    waitpid(child, &status, 0)
    say("child \(status)")
    for (what, call) in calls(store, node, filesystem) {
      do { try call() } catch { say("parent \(what) \(name(error))") }
    }
    try store.close()
    say("parent fine")
  }

  /// Every call of a store that can fail.
  private static func calls(
    _ store: Store, _ node: NodeID, _ filesystem: FilesystemID
  ) -> [(String, () throws -> Void)] {
    [
      ("node", { _ = try store.node(node) }),
      ("find", { _ = try store.node(of: Synthetic.handle(1), on: filesystem) }),
      ("nodes", { _ = try store.nodes() }),
      ("register", { _ = try store.register(Synthetic.candidate(1), on: filesystem) }),
      ("batch", { _ = try store.register([Synthetic.candidate(2)], on: filesystem) }),
      ("attach", { _ = try Synthetic.attach(to: store) }),
      ("attachMounted", { try store.attachMounted() }),
      ("forget", { try store.forget(node) }),
      ("prune", { try store.prune(.nodes(10)) }),
      ("retire", { try store.retire(node) }),
    ]
  }
}
