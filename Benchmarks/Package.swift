// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that a user of the library needs neither SQLite nor the benchmark library.
let package = Package(
  name: "Benchmarks",
  dependencies: [
    .package(name: "HandleStore", path: ".."),
    .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.0", traits: []),
  ],
  targets: [
    .systemLibrary(
      name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .target(name: "CPeers", dependencies: ["CSQLite"]),
    .executableTarget(
      name: "Peers",
      dependencies: [
        "CPeers",
        .product(name: "HandleStore", package: "HandleStore"),
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "Benchmark", package: "benchmark"),
      ],
      path: "Benchmarks/Peers",
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
  ],
  swiftLanguageModes: [.v6]
)
