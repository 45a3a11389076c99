import CTestSupport
import Foundation
import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A server whose timers and children send it signals is not disturbed by them.
@Suite struct SignalTests {
  /// Runs a body in a thread that gets one signal after the other, and after some of them what lets it
  /// end.
  private func inStorm<R: Sendable>(
    _ body: @escaping @Sendable () throws -> R, afterAWhile release: () throws -> Void = {}
  ) throws -> R {
    let storm = Storm()
    let before = ts_interruptions()
    let thread = Thread { storm.stand { Result { try body() } } }
    thread.start()
    storm.send(count: 100)
    try release()
    storm.sendUntilItEnds()
    // A thread inherits the signals that its parent blocks, and worker threads block all. Signals that
    // come while one is pending count as one, and a fast call is soon over.
    #expect(ts_interruptions() > before)
    return try storm.result(as: R.self).get()
  }

  @Test func aLockIsWaitedFor() throws {
    let test = try TestStore()
    let path = test.path
    try Keyring.rotate(ofStoreAt: path)
    let holder = Glibc.open(path.appending("writer").string, O_RDONLY | O_CLOEXEC)
    try #require(holder >= 0 && flock(holder, LOCK_EX) == 0)
    let ring = try inStorm {
      try Keyring.rotate(ofStoreAt: path)
    } afterAWhile: {
      Glibc.close(holder)
    }
    #expect(ring.ids == [1, 2])
  }

  @Test func aMessageIsWaitedFor() throws {
    let sockets = try Parking.makeSockets()
    let (mine, its) = (sockets.mine, sockets.its)
    let parking = Parking(socket: mine)
    let wasReceived = try inStorm {
      let parked = ParkedFiles()
      return try parked.receive(from: its)
    } afterAWhile: {
      try parking.release(.root)
    }
    #expect(wasReceived)
    for socket in [mine, its] { try socket.close() }
  }

  @Test func roomForAMessageIsWaitedFor() throws {
    let sockets = try Parking.makeSockets()
    let (mine, its) = (sockets.mine, sockets.its)
    let parking = Parking(socket: mine)
    let count = 5000
    let receiver = DispatchQueue(label: "receiver")
    let sent = try inStorm {
      for i in 0..<count { try parking.release(NodeID(rawValue: UInt64(i))) }
      return count
    } afterAWhile: {
      receiver.async {
        let parked = ParkedFiles()
        for _ in 0..<count { _ = try? parked.receive(from: its) }
      }
    }
    receiver.sync {}
    #expect(sent == count)
    for socket in [mine, its] { try socket.close() }
  }

  /// On recent kernels only a signal that kills ends `fallocate(2)` on tmpfs; on these this test
  /// cannot fail.
  @Test func blocksAreAllocated() throws {
    let file = try MemoryFile()
    let count = try inStorm {
      try IntentJournal(in: file.descriptor, capacity: 1 << 15).count
    }
    #expect(count == 0 && file.blocks == 1 << 16)
  }

  @Test func aStoreIsUsed() throws {
    let test = try TestStore(StoreOptions(durability: .power))
    let store = test.store
    let filesystem = try Synthetic.attach(to: store)
    let nodes = try inStorm {
      try store.registerEach(0..<200, on: filesystem).map(\.node)
    }
    #expect(Set(nodes).count == 200)
  }
}

/// Signals to one thread, which stays until they have ended.
private final class Storm: @unchecked Sendable {
  private let began = DispatchSemaphore(value: 0)
  private let mayEnd = DispatchSemaphore(value: 0)
  private let hasEnded = DispatchSemaphore(value: 0)
  private let outcome = NSLock()
  private var value: (any Sendable)?
  private var thread = pthread_self()

  /// In the thread.
  func stand<R: Sendable>(_ body: () -> Result<R, any Error>) {
    thread = pthread_self()
    let isReady = ts_interrupt_by(SIGUSR2) == 0
    began.signal()
    let result = isReady ? body() : .failure(Errno.invalidArgument)
    outcome.withLock { value = result }
    mayEnd.wait()
    hasEnded.signal()
  }

  func send(count: Int) {
    began.wait()
    for _ in 0..<count { send() }
  }

  func sendUntilItEnds() {
    while outcome.withLock({ value == nil }) { send() }
    mayEnd.signal()
    hasEnded.wait()
  }

  private func send() {
    pthread_kill(thread, SIGUSR2)
    usleep(1000)
  }

  func result<R: Sendable>(as type: R.Type) throws -> Result<R, any Error> {
    try #require(outcome.withLock { value } as? Result<R, any Error>)
  }
}
