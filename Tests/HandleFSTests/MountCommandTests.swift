import Foundation
import SystemPackage
import TestSupport
import Testing

/// `mount(8)`, `umount(8)` and `/etc/fstab`. Each test is a shell script in a mount namespace of its
/// own, in which `/sbin` has the helper.
@Suite struct MountCommandTests {
  @Test(.mountsHandleFS) func mountsByTypeAndOptions() throws {
    try script(
      """
      mount -t handlefs "$vol/a source" "$mnt" -o "store=$store,cache_timeout=2,passthrough=auto,cross_mounts,fsname=a name,noatime,nosuid,nodev,noexec,nofail,_netdev,x-systemd.automount,comment=it"
      [ "$(cat "$mnt/file")" = text ]
      [ "$(findmnt -n -o SOURCE,FSTYPE "$mnt" | tr -s ' ')" = 'a name fuse.handlefs' ]
      shows "$mnt" noatime nosuid nodev noexec
      umount 'a name'
      absent findmnt -M "$mnt"
      mount -t fuse.handlefs "$vol/a source" "$mnt" -o "store=$store,ro"
      refused 1 'Read-only file system' touch "$mnt/new"
      [ "$(findmnt -n -o SOURCE "$mnt")" = "$vol/a source" ]
      umount "$mnt"
      mount -t handlefs "$vol/a source" "$mnt" -o "store=$store" -o user -o exec
      shows "$mnt" nosuid nodev
      absent shows "$mnt" noexec
      umount "$mnt"
      """)
  }

  /// The program takes the same options itself.
  @Test(.mountsHandleFS) func programTakesTheSameOptions() throws {
    try script(
      """
      "$handlefs" "$vol/a source" "$mnt" -ostore="$store",ro -o fsname=name,nosuid
      [ "$(findmnt -n -o SOURCE -M "$mnt")" = name ]
      shows "$mnt" ro nosuid
      "$handlefs" status "$mnt" >/dev/null
      umount name
      refused 2 'unknown mount option frob;' "$handlefs" "$vol/a source" "$mnt" -o "store=$store,frob=1"
      """)
  }

  @Test(.mountsHandleFS) func refusesByName() throws {
    try script(
      #"""
      try() { refused "$1" "$2" mount -t handlefs "$vol/a source" "$mnt" -o "store=$store,$3"; }
      try 1 'unknown mount option frob;' ro,frob=3
      try 1 'unknown mount option store_;' store_=x
      try 1 'unknown mount option remounted;' remounted
      try 1 'unknown mount option user_id;' user_id=5
      try 1 'cache_timeout=x: give a number' cache_timeout=x
      try 1 'cache_timeout: give a number' cache_timeout
      refused 2 'a double quote is not closed' "$handlefs" "$vol/a source" "$mnt" -o "ro,store=\"$store,ro"
      try 1 'takes 0 to' watchdog=-1
      try 1 'nodes=many: give a number: nodes=COUNT' nodes=many
      try 1 'nodes: give a number' nodes
      try 1 'nodes takes 1000 or more' nodes=999
      try 1 'nodes takes 1000 or more' nodes=-1
      try 1 'nodes=9223372036854775808: give a number' nodes=9223372036854775808
      try 1 'takes 0 to' idle_forget=nan
      try 1 'takes 0 to' idle_forget=1000001
      try 1 'idle_forget: give a number' idle_forget
      try 1 'passthrough=maybe: give' passthrough=maybe
      try 1 'cross_mounts=1: cross_mounts takes no value' cross_mounts=1
      try 1 'fsname=: give a name' fsname=
      try 1 'max_background=x: give a number' max_background=x
      try 1 'there may be 1 to 64 threads' threads=0
      try 1 'cpus=2-1: give processors' cpus=2-1
      try 1 'this machine has' cpus=1000
      try 1 'max-background takes 1 to 65535' max_background=0
      try 1 'max-background takes 1 to 65535' max_background=65536
      try 1 'congestion takes 1 to 64' congestion_threshold=65
      try 1 'congestion takes 1 to 5' max_background=5,congestion_threshold=0
      try 1 'request-timeout takes 0 to 65535' request_timeout=-1
      try 1 'request_timeout=1.5: give a whole number' request_timeout=1.5
      try 1 'allow_idmap takes no value' allow_idmap=1
      refused 1 'the store is missing' mount -t handlefs "$vol/a source" "$mnt"
      absent findmnt -M "$mnt"
      [ ! -e "$store" ]
      mount -s -t handlefs "$vol/a source" "$mnt" -o "store=$store,frob=3"
      umount "$mnt"
      """#)
  }

  @Test(.mountsHandleFS) func commasMayBelongToValues() throws {
    try script(
      #"""
      mkdir "$dir/a b,c"
      mount -t handlefs "$vol/a source" "$dir/a b,c" -o "ro,store=\"$dir/s,t\",nosuid"
      [ -d "$dir/s,t" ]
      shows "$dir/a b,c" ro nosuid
      umount "$dir/a b,c"
      mount -t handlefs "$vol/a source" "$mnt" -o "store=$dir/u\\,v,nodev"
      [ -d "$dir/u,v" ]
      shows "$mnt" nodev
      umount "$mnt"
      """#)
  }

  /// `mount -a` leaves alone what is mounted, and a remount takes the line's options for granted.
  @Test(.mountsHandleFS) func mountsByTable() throws {
    try script(
      #"""
      printf '%s/a\\040source %s handlefs store=%s,nofail,nosuid,x-systemd.requires-mounts-for=/tmp 0 0\n' \
        "$vol" "$mnt" "$store" >"$dir/fstab"
      mount -a -T "$dir/fstab"
      mount -a -T "$dir/fstab"
      [ "$(grep -c " $mnt fuse.handlefs " /proc/mounts)" = 1 ]
      mount -T "$dir/fstab" -o remount,ro "$mnt"
      shows "$mnt" ro nosuid
      refused 1 'Read-only file system' touch "$mnt/new"
      mount -T "$dir/fstab" -o remount,rw "$mnt"
      touch "$mnt/new"
      umount "$mnt"
      """#)
  }

  /// What the source's mount forbids, no remount allows.
  @Test(.mountsHandleFS) func remountForbidsWhatTheSourceForbids() throws {
    try script(
      """
      mount -t tmpfs -o nosuid,nodev,noexec strict "$vol/a source"
      mount -t handlefs "$vol/a source" "$mnt" -o "store=$store"
      shows "$mnt" nosuid nodev noexec
      mount -t handlefs "$vol/a source" "$mnt" -o "remount,noatime,store=$store"
      shows "$mnt" nosuid nodev noexec noatime
      umount "$mnt"
      umount -l "$vol/a source"
      """)
  }

  @Test(.mountsHandleFS) func remountSaysWhatIsNotPossible() throws {
    try script(
      """
      mount -t handlefs "$vol/a source" "$mnt" -o "store=$store,cache_timeout=2"
      remount() { refused 32 "remount cannot change ${1%%=*}:" mount -o "remount,$1" "$mnt"; }
      remount cache_timeout=3; remount "store=$store-2"; remount passthrough=off; remount nodes=5000; remount idle_forget=9
      remount cross_mounts; remount watchdog=1; remount fsname=other
      remount max_background=1; remount request_timeout=60; remount allow_idmap
      refused 1 'unknown mount option frob;' mount -o remount,frob "$mnt"
      mount -o "remount,nodev,cache_timeout=2,store=$store" "$mnt"
      shows "$mnt" nodev rw
      umount "$mnt"
      mount -t handlefs "$vol/a source" "$mnt" -o "store=$store,ro"
      remount rw
      shows "$mnt" ro
      mount -o remount,nosuid "$mnt"
      shows "$mnt" ro nosuid
      umount "$mnt"
      refused 32 'no handlefs is mounted' /sbin/mount.handlefs "$vol/a source" "$mnt" -o remount
      """)
  }

  /// The exit codes of mount(8), and the flags that it gives to helpers.
  @Test(.mountsHandleFS) func helperKeepsToTheRules() throws {
    try script(
      """
      helper=/sbin/mount.handlefs
      [ "$($helper "$vol/a source" "$mnt" -fnv -o "store=$store")" = "handlefs: $vol/a source mounted on $mnt" ]
      absent findmnt -M "$mnt"
      refused 1 'only root' setpriv --reuid=65534 --clear-groups $helper "$vol/a source" "$mnt" -o "store=$store"
      $helper --help | grep -q '^USAGE: mount.handlefs'
      refused 1 'frob' $helper --frob "$vol/a source" "$mnt"
      refused 2 'no file descriptors' prlimit --nofile=4:4 $helper "$vol/a source" "$mnt" -o "store=$store"
      refused 32 'name a directory that exists' $helper "$vol/none" "$mnt" -o "store=$store"
      refused 32 'name a directory that exists' $helper "$vol/a source" "$mnt/none" -o "store=$store"
      refused 32 'handles' $helper /proc "$mnt" -o "store=$store,handles=require"
      $helper "$vol/a source" "$mnt" -o "store=$store"
      refused 32 'already mounted' $helper "$vol/a source" "$mnt" -o "store=$store-2"
      mkdir "$dir/other"
      $helper "$vol/a source" "$dir/other" -o "store=$store,ro"
      umount "$mnt"
      umount "$dir/other"
      refused 32 'is open for writing' flock "$store" $helper "$vol/a source" "$mnt" -o "store=$store"
      """)
  }

  @Test(.mountsHandleFS) func mountsInAnotherNamespace() throws {
    try script(
      """
      unshare --mount --propagation private sleep 20 >/dev/null 2>&1 & other=$!
      while [ "$(readlink /proc/$other/ns/mnt)" = "$(readlink /proc/self/ns/mnt)" ]; do sleep 0.05; done
      mount -N $other -t handlefs "$vol/a source" "$mnt" -o "store=$store"
      absent findmnt -M "$mnt"
      [ "$(nsenter -t $other -m cat "$mnt/file")" = text ]
      nsenter -t $other -m umount "$mnt"
      kill -KILL $other
      refused 32 'entering the mount namespace' /sbin/mount.handlefs -N /dev/null a b -o store=c
      """)
  }

  /// systemd makes a unit of the line of `/etc/fstab` in Docs/HandleFS.md, and finds nothing wrong
  /// with it.
  @Test(.mountsHandleFS) func systemdTakesTheLine() throws {
    let document = try read(FilePath("\(packageRoot)/Docs/HandleFS.md"))
    let line = try #require(document.split(separator: "\n").first { $0.hasPrefix("/srv/data  ") })
    let options = line.split(separator: " ")[3]
    try script(
      """
      echo '\(line)' >"$dir/fstab"
      mkdir "$dir/units"
      SYSTEMD_FSTAB="$dir/fstab" /lib/systemd/system-generators/systemd-fstab-generator \
        "$dir/units" "$dir/units" "$dir/units"
      unit="$dir/units/mnt-data.mount"
      for line in What=/srv/data Where=/mnt/data Type=handlefs 'Options=\(options)' \
        RequiresMountsFor=/var/lib/handlefs; do
        grep -qxF "$line" "$unit"
      done
      systemd-analyze verify --man=no "$unit" >"$dir/verified" 2>&1 || true
      absent grep mnt-data "$dir/verified"
      """)
  }

  /// Runs a script; it fails at the first command that does.
  private func script(_ body: String, _ location: SourceLocation = #_sourceLocation) throws {
    let volume = try Volume(.ext4)
    let (directory, source) = (try TemporaryDirectory(), volume.path.appending("a source"))
    try FileManager.default.createDirectory(
      atPath: source.string, withIntermediateDirectories: false)
    try write("text", to: source.appending("file"))
    let result = try run(
      "timeout", "-k", "5", "60", "unshare", "--mount", "--propagation", "private", "--",
      "bash", "-euc", Self.preparation + body, "script", directory.path.string,
      volume.path.string, try #require(Mounted.program))
    #expect(result.status == 0, "\(result.output)\(result.errors)", sourceLocation: location)
  }

  /// Puts the helper into `/sbin`, which other namespaces do not see. A command that is to fail runs
  /// by `refused STATUS TEXT COMMAND…`, in which TEXT is part of its error message, or by `absent` if
  /// it looks for what must not be there. (The shell ignores the failure of `! COMMAND`.)
  /// `shows MOUNTPOINT FLAG…` says whether a mount has each of the flags.
  private static let preparation = #"""
    dir=$(realpath "$1") vol=$(realpath "$2") handlefs=$3
    mnt="$dir/mnt" store="$dir/store"
    mkdir "$mnt" "$dir/sbin"
    mount -t tmpfs tmpfs "$dir/sbin"
    mkdir "$dir/sbin/upper" "$dir/sbin/work"
    mount -t overlay overlay -o "lowerdir=/usr/sbin,upperdir=$dir/sbin/upper,workdir=$dir/sbin/work" /usr/sbin
    ln -s "$handlefs" /usr/sbin/mount.handlefs
    ln -s "$handlefs" /usr/sbin/mount.fuse.handlefs
    trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
    trap 'umount -l -a -t fuse.handlefs; umount -l /usr/sbin "$dir/sbin"' EXIT
    shows() {
      local point=$1 flag
      shift
      for flag; do [[ ",$(findmnt -n -o OPTIONS -M "$point")," == *,$flag,* ]] || return 1; done
    }
    absent() { if "$@" >&2; then return 1; fi; }
    refused() {
      local wanted=$1 text=$2 status=0
      shift 2
      "$@" 2>"$dir/errors" || status=$?
      if [ $status != "$wanted" ] || ! grep -qF -- "$text" "$dir/errors"; then
        echo "$*: $status, not $wanted $text: $(cat "$dir/errors")" >&2
        return 1
      fi
    }

    """#
}
