import Glibc
import TestSupport

/// What may go wrong in a cluster.
enum Fault: String, CaseIterable {
  case killGateway, stopGateway, replaceGateway, unplugGateway
  case crashPrimary, killPrimary, stopPrimary, unplugPrimary, isolatePrimary, fillPrimary
  case killStandby, unplugStandby, killEtcd

  /// How often each comes: gateways are many, and need less time to come back.
  var weight: Int {
    switch self {
    case .killGateway, .stopGateway, .replaceGateway, .unplugGateway: 4
    default: 1
    }
  }

  /// Whether the database must be whole again before the next fault.
  var isOfDatabase: Bool { weight == 1 }
}

extension Campaign {
  /// Does something wrong, and mends it.
  ///
  /// The lease is 2 seconds, and 6 after which a primary that is silent is replaced.
  mutating func inflict(_ fault: Fault) throws {
    let gateway = Int.random(in: 0..<Cluster.gateways.count, using: &random)
    switch fault {
    case .killGateway:
      note(fault)
      try restart(gateway)
    case .stopGateway:
      // With or without the end of its lease.
      kill(members[gateway].pid, SIGSTOP)
      note(fault)
      wait(upTo: 4)
      kill(members[gateway].pid, SIGCONT)
    case .replaceGateway: try replace(gateway)
    case .unplugGateway: try suffer(fault, "unplug", "mend", Cluster.gateways[gateway], upTo: 8)
    default: try inflictOnDatabase(fault)
    }
  }

  private mutating func inflictOnDatabase(_ fault: Fault) throws {
    let primary = try cluster.primary
    let standby = Cluster.servers.filter { $0 != primary }.randomElement(using: &random) ?? ""
    switch fault {
    case .crashPrimary:
      try cluster("crash", primary)
      note(fault)
    case .killPrimary: try suffer(fault, "kill", "start", primary, upTo: 10)
    case .stopPrimary: try suffer(fault, "stop", "continue", primary, upTo: 15)
    case .unplugPrimary: try suffer(fault, "unplug", "mend", primary, upTo: 12)
    case .isolatePrimary: try suffer(fault, "isolate", "mend", primary, upTo: 12)
    case .fillPrimary: try suffer(fault, "fill", "empty", primary, upTo: 5)
    case .killStandby: try suffer(fault, "kill", "start", standby, upTo: 6)
    case .unplugStandby: try suffer(fault, "unplug", "mend", standby, upTo: 6)
    default: try suffer(fault, "kill", "start", "etcd", upTo: 10)
    }
  }

  private mutating func restart(_ gateway: Int) throws {
    members[gateway].kill()
    members[gateway] = try start(gateway)
  }

  /// Begins a fault, and ends it some time later. Meanwhile a gateway may be killed, too: the next one of its
  /// name reserves ids, and a database that may lose them is to lose some.
  private mutating func suffer(
    _ fault: Fault, _ begin: String, _ end: String, _ node: String, upTo seconds: Double
  ) throws {
    try cluster(begin, node)
    note(fault)
    if fault.isOfDatabase && (cluster.mayLose || Bool.random(using: &random)) {
      try restart(.random(in: Cluster.gateways.indices, using: &random))
    }
    // A promotion that loses something needs the whole time.
    if cluster.mayLose { usleep(UInt32(seconds * 1_000_000)) } else { wait(upTo: seconds) }
    try cluster(end, node)
  }

  private mutating func wait(upTo seconds: Double) {
    usleep(.random(in: 0..<UInt32(seconds * 1_000_000), using: &random))
  }
}
