/// Commands for `sh`, in a directory of their own on the mount, until the file "$stop" is there; "$outside" is
/// a directory that is not on the mount. Any command that fails ends it.
enum KillScripts {
  /// What people work on.
  static let projects = [
    "tar": """
    mkdir "$outside/tree"
    for d in 1 2 3 4 5; do
      mkdir "$outside/tree/$d"
      for f in 1 2 3 4 5 6 7 8 9; do seq $((d * f * 50)) >"$outside/tree/$d/$f"; done
      ln -s ../1/1 "$outside/tree/$d/link"
    done
    tar -C "$outside" -cf "$outside/tree.tar" tree
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round
      tar -xf "$outside/tree.tar"
      diff -r tree "$outside/tree"
      tar -df "$outside/tree.tar"
      tar -cf "$outside/again.tar" tree
      tar -df "$outside/again.tar" tree
      rm -r tree
    done
    """,
    "gcc": """
    n=0
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round; n=$((n + 3))
      for i in 1 2 3; do echo "int f$i(void) { return $i + $n; }" >f$i.c; done
      echo "int f1(void), f2(void), f3(void);
            int main(void) { return f1() + f2() + f3() != 6 + 3 * $n; }" >main.c
      gcc -O1 -c f1.c f2.c f3.c main.c
      ar rc libf.a f1.o f2.o f3.o
      gcc -o program main.o libf.a
      ./program
      rm *
    done
    """,
    "git": """
    export HOME="$outside" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b
    export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
    git init -q -b main original
    cd original
    for i in 1 2 3 4 5; do
      seq $((i * 100)) >file; mkdir -p "d$i"; date >"d$i/f"; git add .; git commit -qm "$i"
    done
    cd ..
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round
      git clone -q original clone
      git -C clone fsck --full --strict --no-progress
      (cd clone; echo more >>file; git commit -qam more; git gc -q; git checkout -q HEAD~2
        # Without the index, git reads the files.
        rm .git/index; git reset -q; git diff --exit-code)
      rm -rf clone
    done
    """,
    "sqlite3": """
    sqlite3 data 'PRAGMA journal_mode=DELETE; CREATE TABLE t (n INTEGER PRIMARY KEY, s INTEGER);
      INSERT INTO t VALUES (0, 0);' >/dev/null
    n=0
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round
      for i in 1 2 3 4 5; do
        n=$((n + 1))
        sqlite3 data "BEGIN IMMEDIATE; INSERT INTO t VALUES ($n, $n * 2); COMMIT;"
      done
      test "$(sqlite3 data 'SELECT count(*) FROM t WHERE s = n * 2')" = $((n + 1))
      test "$(sqlite3 data 'PRAGMA integrity_check')" = ok
    done
    """,
  ]

  /// Tools and what they do to files.
  static let tools = [
    "attributes": """
    touch file
    n=0
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round
      for mode in 600 755 4755 2711 1444 640; do
        chmod $mode file
        test "$(stat -c %a file)" = $mode
        n=$((n + 1))
        chown $n:$((n + 1)) file
        test "$(stat -c %u:%g file)" = $n:$((n + 1))
        touch -d @$((1000000000 + n)) file
        test "$(stat -c %Y file)" = $((1000000000 + n))
        setfattr -n user.number -v $n file
        test "$(getfattr --only-values -n user.number file)" = $n
        setfattr -x user.number file
        if getfattr --only-values -n user.number file 2>/dev/null; then exit 1; fi
        test "$(stat -c %u:%g:%Y file)" = $n:$((n + 1)):$((1000000000 + n))
      done
    done
    """,
    "direct": """
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round
      dd if=/dev/urandom of="$outside/data" bs=64k count=32 iflag=fullblock status=none
      dd if="$outside/data" of=file bs=64k oflag=direct conv=fsync status=none
      cmp file "$outside/data"
      dd if=file bs=128k iflag=direct status=none | cmp - "$outside/data"
      dd if="$outside/data" of=file bs=64k count=1 seek=7 conv=notrunc,fdatasync status=none
      dd if=file bs=64k skip=7 count=1 iflag=fullblock status=none | cmp -n 65536 - "$outside/data"
      test "$(stat -c %s file)" = 2097152
      rm file
    done
    """,
    "fifo": """
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round
      mkfifo pipe
      seq 20000 >pipe &
      cat pipe >got
      wait $!
      seq 20000 | cmp - got
      rm pipe got
    done
    """,
    "links": """
    mkdir -p tree/a tree/b/c
    files="a/1 a/2 b/1 b/c/1"
    n=0
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round; n=$((n + 1))
      for f in $files; do echo $f $n >tree/$f; done
      cp -al tree copy
      test "$(find copy -type f -links 2 | wc -l)" = 4
      for f in $files; do test tree/$f -ef copy/$f; test "$(cat copy/$f)" = "$f $n"; done
      ln copy/a/1 copy/b/third
      test "$(stat -c %h tree/a/1)" = 3
      rm -r copy
      test "$(find tree -type f -links 1 | wc -l)" = 4
    done
    """,
    "make": """
    n=0
    printf 'all: 1.out 2.out 3.out 4.out 5.out 6.out\n\tcat $^ >all\n%%.out: %%.in\n\tcp $< $@\n' >Makefile
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round; n=$((n + 6))
      for i in 1 2 3 4 5 6; do echo $((n + i)) >$i.in; done
      make -s -j3
      seq $((n + 1)) $((n + 6)) | cmp - all
      sleep 0.02
      touch 3.in
      if make -q 3.out; then exit 1; else test $? = 1; fi
      make -s -j3 3.out
      make -q 1.out 2.out 3.out
      rm all *.out
    done
    """,
    "sort": """
    seq 30000 >"$outside/sorted"
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round
      shuf "$outside/sorted" >lines
      sort -n -T . -S 100k --parallel=1 -o sorted lines
      cmp sorted "$outside/sorted"
      split -n l/7 sorted part.
      cat part.a? | cmp - "$outside/sorted"
      rm lines sorted part.*
    done
    """,
    "sparse": """
    change() {
      truncate -s 8M "$1"
      echo text | dd of="$1" bs=1 seek=4000000 conv=notrunc status=none
      seq $2 | dd of="$1" bs=4k seek=100 conv=notrunc status=none
    }
    n=20000
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round; n=$((n + 1))
      change "$outside/expected" $n
      dd if=/dev/zero of="$outside/expected" bs=4k seek=105 count=2 conv=notrunc status=none
      change file $n
      fallocate -l 64k -o 1M file
      fallocate -p -o 420k -l 8k file
      cmp file "$outside/expected"
      cp --sparse=always file copy
      cmp copy "$outside/expected"
      rm file copy "$outside/expected"
    done
    """,
    "wal": """
    sqlite3 data 'PRAGMA journal_mode=WAL; CREATE TABLE t (w INTEGER);' >/dev/null
    n=0
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round
      writers=
      for w in 1 2 3; do
        (for i in 1 2 3; do
          sqlite3 -cmd '.timeout 30000' data "INSERT INTO t VALUES ($w);"
        done) & writers="$writers $!"
      done
      for w in $writers; do wait $w; done
      n=$((n + 3))
      test "$(sqlite3 -cmd '.timeout 30000' data 'SELECT min(c), max(c) FROM
        (SELECT count(*) AS c FROM t GROUP BY w)')" = "$n|$n"
      test "$(sqlite3 -cmd '.timeout 30000' data 'PRAGMA integrity_check')" = ok
    done
    """,
    "zip": """
    mkdir "$outside/package"
    n=0
    while [ -z "${begun:-}" ] || [ ! -e "$stop" ]; do
      begun=1; echo round; n=$((n + 1))
      for i in 1 2 3 4 5 6; do echo "def f(): return $i + $n" >"$outside/package/m$i.py"; done
      python3 -m zipfile -c a.zip "$outside/package"
      test "$(python3 -m zipfile -t a.zip)" = "Done testing"
      python3 -m zipfile -e a.zip .
      python3 -m compileall -q package
      test "$(python3 -B -c 'from package import m1, m6; print(m1.f() + m6.f())')" = $((7 + 2 * n))
      diff -r -x __pycache__ package "$outside/package"
      rm -r package a.zip
    done
    """,
  ]

  static let all = projects.merging(tools) { one, _ in one }
}
