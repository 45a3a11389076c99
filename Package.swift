// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableExperimentalFeature("Lifetimes"),
]

/// Tests call C freely. In a release build only what they test is optimised: it is most of the time
/// that they take, and optimising the tests would take longer than it saves.
let testing: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .unsafeFlags(["-Onone"], .when(configuration: .release)),
]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "HandleStore",
  products: [
    .library(name: "HandleStore", targets: ["HandleStore"]),
    // The engine on PostgreSQL, a product of its own, so that only its users need libpq.
    .library(name: "PostgresNodeIndex", targets: ["PostgresNodeIndex"]),
    .library(name: "CHandleStore", targets: ["CHandleStore"]),
    .library(name: "HandleStoreC", type: .static, targets: ["HandleStoreC"]),
    // For Examples/HandleFS, which also prints figures for monitoring systems.
    .library(name: "Formatting", targets: ["Formatting"]),
    .library(name: "HandleLocks", targets: ["HandleLocks"]),
    .executable(name: "handlestore", targets: ["HandleTool"]),
    .executable(name: "handlebench", targets: ["HandleBench"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
    .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
    .target(name: "CPostgres"),
    .target(name: "CHandleSys", dependencies: ["CSodium"]),
    .target(name: "HandleLocks", swiftSettings: strict),
    .target(
      name: "HandleStore", dependencies: ["CLMDB", "CHandleSys", "HandleLocks", system],
      swiftSettings: strict),
    .target(
      name: "PostgresNodeIndex", dependencies: ["CPostgres", "HandleStore", "HandleLocks", system],
      swiftSettings: strict),
    // The C library: its header, which also has the version, and the functions that it declares
    // (Scripts/clibrary links them).
    .target(name: "CHandleStore"),
    .target(
      name: "HandleStoreC", dependencies: ["CHandleStore", "HandleStore", system],
      exclude: ["exports.map", "handlestore.pc.in"], swiftSettings: strict),
    // What the two commands print: JSON, and columns of text.
    .target(name: "Formatting", swiftSettings: strict),
    .executableTarget(
      name: "HandleTool",
      dependencies: [
        "CHandleStore", "Formatting", "HandleStore", "PostgresNodeIndex", arguments, system,
      ],
      swiftSettings: strict),
    .target(
      name: "CYardstick", dependencies: ["CLMDB", "CSodium", "CHandleStore", "CPostgres"],
      path: "Sources/HandleBench/Yardstick"),
    .executableTarget(
      name: "HandleBench",
      dependencies: [
        "CHandleStore", "Formatting", "HandleStore", "HandleStoreC", "PostgresNodeIndex",
        "CYardstick", arguments, system,
        .product(name: "Histogram", package: "hdrhistogram-swift"),
      ],
      exclude: ["Yardstick"], swiftSettings: strict),
    .target(name: "CTestSupport", path: "Tests/CTestSupport"),
    .target(
      name: "TestSupport", dependencies: ["CTestSupport", "HandleStore", system],
      path: "Tests/TestSupport", swiftSettings: testing),
    .executableTarget(
      name: "storeworker",
      dependencies: ["CTestSupport", "HandleStore", "PostgresNodeIndex", "TestSupport", system],
      path: "Tests/StoreWorker", swiftSettings: testing),
    // Runs the paths whose instructions Tests/HotPaths/run counts.
    .executableTarget(
      name: "hotpaths", dependencies: ["HandleStore", system], path: "Tests/HotPaths",
      exclude: ["run", "counts"], swiftSettings: strict),
    // Faults in a cluster of Scripts/cluster, in which it runs.
    .executableTarget(
      name: "clustercampaign",
      dependencies: ["HandleStore", "PostgresNodeIndex", "TestSupport", "storeworker", system],
      path: "Tests/ClusterCampaign", swiftSettings: testing),
    .testTarget(
      name: "HandleStoreTests",
      dependencies: ["CTestSupport", "HandleStore", "TestSupport", "storeworker", system],
      swiftSettings: testing),
    // The wall to the kernel.
    .testTarget(
      name: "KernelTests", dependencies: ["HandleStore", "TestSupport", system],
      swiftSettings: testing),
    // The wall to libpq, on a server that they start.
    .testTarget(
      name: "PostgresTests", dependencies: ["CTestSupport", "PostgresNodeIndex", "TestSupport"],
      swiftSettings: testing),
    // What happens between two steps of the gate.
    .testTarget(
      name: "GateStepTests", dependencies: ["HandleStore", "TestSupport", system],
      swiftSettings: testing),
    // Several gateways of one store.
    .testTarget(
      name: "GatewayTests",
      dependencies: ["HandleStore", "PostgresNodeIndex", "TestSupport", "storeworker", system],
      swiftSettings: testing),
    // The same in a cluster that fails over.
    .testTarget(
      name: "ClusterTests", dependencies: ["TestSupport", "clustercampaign"], swiftSettings: testing
    ),
    // The contract of NodeIndex, on each engine.
    .testTarget(
      name: "NodeIndexTests",
      dependencies: ["HandleStore", "PostgresNodeIndex", "TestSupport", system],
      swiftSettings: testing),
    .testTarget(
      name: "InspectionTests", dependencies: ["HandleStore", "TestSupport", system],
      swiftSettings: testing),
    .testTarget(
      name: "HandleToolTests",
      dependencies: [
        "CHandleStore", "Formatting", "HandleStore", "PostgresNodeIndex", "TestSupport",
        "HandleTool", "HandleBench", system,
      ],
      swiftSettings: testing),
    // Of Examples/HandleFS: they run the program that the environment variable HANDLEFS names.
    .executableTarget(name: "posixtable", path: "Tests/PosixTable"),
    .executableTarget(name: "mountload", path: "Tests/MountLoad"),
    .testTarget(
      name: "HandleFSTests",
      dependencies: [
        "HandleStore", "TestSupport", "HandleTool", "HandleBench", "posixtable", "mountload",
        system,
      ],
      swiftSettings: testing),
  ],
  swiftLanguageModes: [.v6]
)

// If the commands were built before (Scripts/test), the tests run those, and they are not built here.
if Context.environment["HANDLESTORE_COMMANDS"] != nil {
  let parts = ["CYardstick", "HandleBench", "HandleTool"]
  package.products.removeAll { ["handlebench", "handlestore"].contains($0.name) }
  package.targets.removeAll { parts.contains($0.name) }
  for target in package.targets {
    target.dependencies.removeAll { dependency in
      if case .byNameItem(let name, _) = dependency { parts.contains(name) } else { false }
    }
  }
}

// Under ThreadSanitizer only the library and the tests with threads are built (Scripts/test).
if Context.environment["HANDLESTORE_THREADS"] != nil {
  let sources = [
    "HandleStoreTests": ["Threads", "Support.swift", "Export/Exported.swift"],
    "NodeIndexTests": ["Threads", "Engine.swift"],
  ]
  let needed: Set = [
    "CLMDB", "CSodium", "CHandleSys", "HandleLocks", "HandleStore", "CTestSupport", "TestSupport",
    "storeworker",
  ]
  package.targets.removeAll { !needed.contains($0.name) && sources[$0.name] == nil }
  for target in package.targets {
    target.sources = sources[target.name] ?? target.sources
    target.dependencies.removeAll { dependency in
      if case .byNameItem(let name, _) = dependency { !needed.contains(name) } else { false }
    }
  }
  package.products = [.library(name: "HandleStore", targets: ["HandleStore"])]
}
