internal import SystemPackage

/// Finds filesystems whose records are lost. It tries the handles of their nodes on the mounted
/// filesystems, and takes the filesystem on which one of them opens.
///
/// Only random generations prove a match: an inode number together with the right 32 bits is no
/// coincidence. If none of the mounted filesystems matches, or several do because copies are
/// mounted, it takes none.
struct LostFilesystems {
  /// How many handles of each filesystem to try.
  private static let samples = 64

  private let found: Harvest

  init(of found: Harvest) { self.found = found }

  /// Returns those filesystems of live nodes that are missing from `known` and are mounted.
  func recovered(
    without known: [FilesystemID: KnownFilesystem]
  ) throws -> [FilesystemID: KnownFilesystem] {
    let samples = try handles(without: known)
    guard !samples.isEmpty else { return [:] }
    let mounted = try Self.mounted()
    let found = samples.compactMapValues { handles in
      let matching = mounted.filter { $0.has(handles) }
      return matching.count == 1 ? KnownFilesystem(identity: matching[0].identity) : nil
    }
    // A filesystem that matches two ids belongs to neither.
    return found.filter { id, known in
      !found.contains { $0.key != id && $0.value.identity.matches(known.identity) }
    }
  }

  /// Returns the handles of some live nodes of each lost filesystem.
  private func handles(
    without known: [FilesystemID: KnownFilesystem]
  ) throws -> [FilesystemID: [KernelFileHandle]] {
    var handles: [FilesystemID: [KernelFileHandle]] = [:]
    try found.forEachBatch(.node) { rows in
      for row in rows {
        guard let record = row.record, record.state == .live, known[record.filesystem] == nil,
          record.filesystem.rawValue != 0, let handle = record.inlineHandle,
          handles[record.filesystem, default: []].count < Self.samples
        else { continue }
        handles[record.filesystem, default: []].append(handle)
      }
    }
    return handles
  }

  // MARK: Mounted filesystems

  private struct Mounted {
    let directory: OwnedDescriptor
    let identity: FilesystemIdentity

    /// Returns whether the filesystem provably has a file with one of these handles.
    func has(_ handles: [KernelFileHandle]) -> Bool {
      handles.contains { handle in
        guard let generation = handle.fileKey(on: identity.magic)?.generation, generation != 0,
          let file = try? OwnedDescriptor(
            handle.open(on: directory.descriptor, flags: SystemCalls.path))
        else { return false }
        return (try? KernelFileHandle.make(of: file.descriptor)) == handle
      }
    }
  }

  /// Returns one mount of each filesystem with random generations.
  private static func mounted() throws -> [Mounted] {
    var seen: Set<String> = []
    let table = try MountTable()
    return table.mounts.compactMap { mount in
      guard ["ext2", "ext3", "ext4", "xfs"].contains(mount.type), table.leads(to: mount),
        let directory = try? OwnedDescriptor(
          SystemCalls.open(mount.point, flags: SystemCalls.directory)),
        let (identity, superblock) = try? FilesystemIdentity.of(directory.descriptor),
        superblock == mount.device, seen.insert(superblock).inserted
      else { return nil }
      return Mounted(directory: directory, identity: identity)
    }
  }
}
