// swift-tools-version: 6.2
import PackageDescription

// A package of its own, because libFuzzer brings the function main for everything that is built with it.
let package = Package(
  name: "Fuzz",
  dependencies: [
    .package(name: "HandleStore", path: "../.."),
    .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
  ],
  targets: [
    .executableTarget(
      name: "fuzztokens",
      dependencies: [
        "HandleStore", .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: [
        .treatAllWarnings(as: .error), .unsafeFlags(["-parse-as-library"]),
      ])
  ],
  swiftLanguageModes: [.v6]
)
