import SystemPackage
import TestSupport
import Testing

/// Forged, cut, spliced and replayed tokens, and right signatures over wrong handles.
@Suite(.mounts) struct ForgeTests {
  @Test(arguments: VolumeKind.allCases) func noneIsAccepted(_ kind: VolumeKind) throws {
    let volume = try Volume(kind)
    let forged = try run([
      Commands.handlebench, "forge", volume.path.string, "--count", "\(1000 * soak)", "--seed",
      "\(seed(usually: 1))",
    ])
    #expect(forged.status == 0, "\(forged.output)\(forged.errors)")
    #expect(forged.output.contains("accepted wrongly: 0"))
    #expect(forged.output.contains("good tokens refused: 0"))
  }
}
