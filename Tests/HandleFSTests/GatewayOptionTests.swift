import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// The options of a mount whose nodes are in a database.
@Suite struct GatewayOptionTests {
  /// What is refused, and by which text. Nothing is mounted, and no password is repeated.
  @Test(
    .mountsOnADatabase,
    arguments: [
      (["--shared", "host=/tmp password=secret"], 2, "the connection string has a password"),
      (
        ["--shared", "postgresql://user:secret@db/nodes"], 2, "the connection string has a password"
      ),
      (["--shared", "postgresql://db/nodes?sslpassword=secret"], 2, "has a password"),
      (["-o", "shared=host=db1 password='secret'"], 2, "has a password"),
      (["-o", "shared=\"host=db1 password=secret"], 2, "shared: a double quote is not closed"),
      (["--shared", "host"], 2, "is not one that libpq can read"),
      (
        ["--shared", "service=a", "--store", "/tmp/store"], 2,
        "either in --store DIR or in --shared"
      ),
      (["--shared", "service=a", "--nodes", "1000"], 2, "nodes needs a store in a directory"),
      (["--shared", "service=a", "--handles", "never"], 2, "handles=never needs a store"),
      (["--shared", "service=a", "--gateway", ""], 2, "the name of a gateway has 1 to 64 bytes"),
      (["-o", "shared=service=a,patience=0.5"], 2, "the patience takes 1 to 3600 seconds"),
      (["--store", "/tmp/store", "--gateway", "a"], 2, "give --shared CONNECTION too"),
      (["--store", "/tmp/store", "--filesystem-name", "a"], 2, "give --shared CONNECTION too"),
      (["-o", "shared=service=a,filesystem_name"], 2, "give a name: filesystem_name=NAME"),
      (["--shared", "service=nobody-has-this"], 4, "nobody-has-this"),
      (["--shared", "host=/nowhere dbname=a"], 4, "check that its server runs"),
    ])
  func refusals(_ options: [String], _ status: Int32, _ text: String) throws {
    let (source, place) = (try TemporaryDirectory(), try TemporaryDirectory())
    let result = try run(
      ["timeout", "20", try #require(Mounted.program), source.path.string, place.path.string]
        + options)
    #expect(result.status == status && result.errors.contains(text), "\(result)")
    #expect(!result.errors.contains("secret"))
    #expect(try !read("/proc/self/mountinfo").contains(" \(place.path) "))
  }

  /// Files that have to be kept open are of no use to other gateways.
  @Test(.mountsOnADatabase) func keptFilesAreRefused() throws {
    let (place, database) = (try TemporaryDirectory(), try DatabaseServer.database())
    let result = try run([
      try #require(Mounted.program), "/proc", place.path.string, "--shared", database,
    ])
    #expect(result.status == 2, "\(result)")
    #expect(result.errors.contains("cannot be opened by their handles"))
  }

  /// mount(8) takes the options, with commas and blanks in quotes, and a remount knows them. Neither the log
  /// nor the status has the connection string.
  @Test(.mountsOnADatabase) func mountTakesThem() throws {
    let (volume, directory) = (try Volume(.ext4), try TemporaryDirectory())
    let database = try DatabaseServer.database()
    // Two hosts, of which one is nowhere: a comma.
    let host = try #require(database.split(separator: " ").first).dropFirst("host=".count)
    let connection = database.replacing(host, with: "/nowhere,\(host)")
    let result = try run(
      "timeout", "-k", "5", "60", "unshare", "--mount", "--propagation", "private", "--", "bash",
      "-euc", Self.script, "script", directory.path.string, volume.path.string,
      try #require(Mounted.program), connection + " application_name=marker")
    #expect(result.status == 0, "\(result.output)\(result.errors)")
  }

  private static let script = #"""
    dir=$(realpath "$1") vol=$(realpath "$2") handlefs=$3 connection=$4 mnt="$dir/mnt"
    mkdir "$mnt"
    ln -s "$handlefs" "$dir/mount.handlefs"
    trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
    trap 'umount -l -a -t fuse.handlefs' EXIT
    helper() { "$dir/mount.handlefs" "$vol" "$mnt" "$@"; }
    helper -o "rw,shared=\"$connection\",gateway=name,filesystem_name=projects,cache=$dir/cache,patience=5,nosuid" 2>"$dir/errors"
    [ "$("$handlefs" status "$mnt" | awk '$1 == "gateway" { print $2 }')" = name, ]
    for format in text json prometheus; do
      if "$handlefs" status "$mnt" --format $format | grep marker; then exit 1; fi
    done
    if grep marker "$dir/errors" /proc/self/mountinfo; then exit 1; fi
    helper -o "remount,shared=\"$connection\",gateway=name,filesystem_name=projects,cache=$dir/cache,patience=5"
    for change in gateway=other cache=/tmp/cache shared=service=other store=/tmp/store patience=6 filesystem_name=other; do
      if helper -o "remount,$change" 2>"$dir/errors"; then exit 1; fi
      grep -q "remount cannot change ${change%%=*}" "$dir/errors"
    done
    umount "$mnt"
    # The last one counts, as when the service's own --store comes first.
    "$handlefs" "$vol" "$mnt" --store "$dir/store" -o "shared=\"$connection\""
    "$handlefs" status "$mnt" | grep -q ^gateway
    [ ! -e "$dir/store" ]
    umount "$mnt"
    """#
}
