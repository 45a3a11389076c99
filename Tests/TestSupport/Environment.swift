import CTestSupport
import Glibc

/// Whether a test that mounts filesystems or opens handles is to run: as root, and in CI always, because
/// a missing privilege is a failure there and not a reason to skip. Never if the environment variable
/// `HANDLESTORE_QUICK` is set, as it is by `make check`.
public var mayMount: Bool {
  variable("HANDLESTORE_QUICK") == nil && (geteuid() == 0 || isContinuousIntegration)
}

/// Whether this is CI, by the environment variable `CI`.
public var isContinuousIntegration: Bool { !(variable("CI") ?? "").isEmpty }

/// How many times as long as usual a campaign lasts: the environment variable `HANDLESTORE_SOAK`,
/// 1 if there is none.
public var soak: Int { max(1, variable("HANDLESTORE_SOAK").flatMap { Int($0) } ?? 1) }

/// The seed of random tests: the environment variable `HANDLESTORE_SEED`, or else `usual`.
public func seed(usually usual: UInt64) -> UInt64 {
  variable("HANDLESTORE_SEED").flatMap { UInt64($0) } ?? usual
}

/// Whether the thread sanitizer watches, under which everything takes some ten times as long.
public var isSanitized: Bool { dlsym(nil, "__tsan_init") != nil }

private func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

/// Runs a body in this thread as a user who may open by handle, and may not mount (`CAP_SYS_ADMIN`).
public func withoutAdmin<R>(_ body: () throws -> R) throws -> R {
  guard ts_use_admin(0) == 0 else { throw CommandFailure(description: "capset failed") }
  defer { precondition(ts_use_admin(1) == 0) }
  return try body()
}
