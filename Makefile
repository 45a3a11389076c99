# make demo       build in release and index a real tree (TREE=/path for another than /usr/include);
#                 CLUSTER=1 also shows gateways on a PostgreSQL cluster that fails over
# make test       everything that must hold; or some of it: make test PARTS="lint store" (see Scripts/test)
# make check      the format, and the tests that take seconds: less than a minute
# make fuzz       tokens and handles that libFuzzer makes up, for FUZZ=60 seconds
# make soak       the same campaigns for longer (SOAK=20 for twenty times as long)
# make lint       the format and the arrows between the floors
# make bench      the benchmark
# make docs       the articles and the reference of the Swift library, in .build-docs
# make site       all pages of the project, in .build-site (AT=/path if they are not at the root of their host)
# make packages   install the Debian packages that tests need
#
# make build      build what is installed: needs no root
# make install    build and install it (PREFIX=/usr/local DESTDIR=)
# make uninstall  remove what make install installed, with the same PREFIX and DESTDIR
# make deb        build Debian packages, in .build-deb
# make clean      remove everything that was built

# The places of an installation. mount(8) finds its helpers in /sbin only, whatever PREFIX is.
PREFIX ?= /usr/local
DESTDIR ?=
LIBDIR ?= $(PREFIX)/lib
SBINDIR ?= /sbin
UNITDIR ?= $(PREFIX)/lib/systemd/system
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
export PREFIX DESTDIR LIBDIR SBINDIR UNITDIR ZSHDIR

TREE ?= /usr/include
SOAK ?= 10
FUZZ ?= 60

.PHONY: help demo test check soak fuzz lint bench docs site packages build install uninstall deb clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo: packages
	@TREE="$(TREE)" CLUSTER="$(CLUSTER)" Scripts/demo

test: packages
	@Scripts/test $(PARTS)

check: packages
	@Scripts/test lint quick

soak: packages
	@HANDLESTORE_SOAK="$(SOAK)" Scripts/test $(PARTS)

fuzz: packages
	@Scripts/fuzz -max_total_time="$(FUZZ)"

lint:
	@Scripts/lint

bench: packages
	@swift build -c release --product handlebench
	@.build/release/handlebench run

docs:
	@swift build --product handlestore
	@Scripts/docs

site: packages build
	@swift build --product handlestore
	@Scripts/site $(AT)

packages:
	@Scripts/packages

build:
	@Scripts/build

install: build
	@Scripts/install

uninstall:
	@Scripts/install --remove

deb:
	@Scripts/deb

clean:
	@rm -rf .build .build-c .build-deb .build-docs .build-fuzz .build-handlefs .build-packages .build-rust
	@rm -rf .build-site .build-test .build-tools .build-tsan Examples/HandleFS/.build
