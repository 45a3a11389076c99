import CTestSupport
import Foundation
import HandleStore
import SystemPackage
import TestSupport

/// Tasks that change the process they run in.
extension Tasks {
  /// `hold STORE`: opens a store for writing and keeps it open until its input ends; attaches each
  /// directory that is named there.
  static func hold(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]))
    say("open")
    while let line = readLine() { say("attached \(try store.attach(FilePath(line)).rawValue)") }
    try store.close()
  }

  /// `copy STORE DEST`: opens a store for reading, and copies it at each line of its input.
  static func copy(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]), options: StoreOptions(readOnly: true))
    say("open")
    while readLine() != nil {
      try store.backup(to: FilePath(arguments[1]))
      say("copied")
    }
  }

  /// `addresses STORE`: registers until there are no addresses for a larger map, and goes on with what
  /// there is.
  static func addresses(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]))
    let filesystem = try Synthetic.attach(to: store)
    _ = try store.registerEach(0..<1000, on: filesystem)
    let size = try read("/proc/self/statm").split(separator: " ").first.flatMap { UInt($0) } ?? 0
    let bytes = size * 4096 + 24 << 20
    var limit = rlimit(rlim_cur: rlim_t(bytes), rlim_max: rlim_t(bytes))
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    var next: UInt64 = 1000
    do {
      while next < 2_000_000 {
        _ = try store.register(
          batch: (next..<(next + 1000)).map { Synthetic.file($0) }, on: filesystem)
        next += 1000
      }
      say("no limit")
    } catch {
      guard case .system(.noMemory, _) = error else { throw error }
      say("no addresses")
    }
    for key in stride(from: 0, to: next, by: 7) {
      guard try store.node(of: Synthetic.handle(key), on: filesystem) != nil else {
        throw Usage("a lost file")
      }
    }
    try store.close()
    say("usable")
  }

  /// `orphan STORE`: closes a store while the child of a fork(2) lives, and opens it again.
  static func orphan(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]))
    let child = ts_fork()
    if child == 0 {
      while true { pause() }
    }
    defer { kill(child, SIGKILL) }
    try store.close()
    try Store(at: FilePath(arguments[0])).close()
    say("opened again")
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
      do {
        try readOnAndOn(store) { if number == 0 { say("\($0)") } }
      } catch {
        // The other threads go on without end.
        say("error \(error)")
        exit(1)
      }
    }
  }

  private static func readOnAndOn(_ store: Store, _ more: (Int) -> Void) throws {
    var last = 0
    while true {
      let page = try store.nodes(from: NodeID(rawValue: UInt64(last + 2)), limit: 100_000)
      for node in page.nodes where try store.node(node.id)?.handle != node.handle {
        throw Usage("node \(node.id)")
      }
      last += page.nodes.count
      if !page.nodes.isEmpty { more(last) }
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
    let root = try FileDescriptor.open(directory, .readOnly)
    var taken: [FileDescriptor] = []
    while let next = try? FileDescriptor.open("/dev/null", .readOnly) { taken.append(next) }
    for (what, call) in [
      ("open", { _ = try store.open(node, as: .readOnly) }),
      ("path", { _ = try store.open(node) }),
      ("store", { _ = try Store(at: FilePath(arguments[0] + "-2")) }),
      ("mounted", { _ = try store.attachMounted() }),
      ("sockets", { _ = try Parking.makeSockets() }),
      ("found", { _ = try FoundFile(resolving: "/", in: taken[0]) }),
      ("probe", { _ = try FilesystemProbe(of: root) }),
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
    try store.open(node, as: .readOnly).close()
    try store.close()
    say("usable")
  }

  /// `fork STORE`: calls everything in the child of a fork(2), and goes on in the parent.
  static func fork(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]))
    let filesystem = try Synthetic.attach(to: store)
    let node = try store.register(Synthetic.file(1), on: filesystem).node
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
      ("register", { _ = try store.register(Synthetic.file(1), on: filesystem) }),
      ("batch", { _ = try store.register(batch: [Synthetic.file(2)], on: filesystem) }),
      ("attach", { _ = try Synthetic.attach(to: store) }),
      ("attachMounted", { try store.attachMounted() }),
      ("forget", { try store.forget(node) }),
      ("prune", { try store.evict(stale: .nodes(10)) }),
      ("retire", { try store.retire(node) }),
    ]
  }
}
