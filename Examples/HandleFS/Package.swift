// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that a user of the library does not need libfuse.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
  name: "HandleFS",
  products: [.executable(name: "handlefs", targets: ["HandleFS"])],
  dependencies: [
    .package(name: "HandleStore", path: "../.."),
    .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
  ],
  targets: [
    .systemLibrary(name: "CFUSE", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
    .systemLibrary(name: "CURing", pkgConfig: "liburing", providers: [.apt(["liburing-dev"])]),
    .target(name: "CHandleFS", dependencies: ["CFUSE", "CURing"]),
    .executableTarget(
      name: "HandleFS",
      dependencies: [
        "CFUSE", "CHandleFS",
        .product(name: "Formatting", package: "HandleStore"),
        .product(name: "HandleStore", package: "HandleStore"),
        .product(name: "HandleLocks", package: "HandleStore"),
        .product(name: "CHandleStore", package: "HandleStore"),
        .product(name: "PostgresNodeIndex", package: "HandleStore"),
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
