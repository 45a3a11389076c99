# make demo   build in release and index a real tree (TREE=/path for another than /usr/include)
# make test   everything that must hold; or some of it: make test PARTS="lint store" (see Scripts/test)
# make check  the format, and the tests that take seconds: less than a minute
# make fuzz   tokens and handles that libFuzzer makes up, for FUZZ=60 seconds
# make soak   the same campaigns for longer (SOAK=20 for twenty times as long)

TREE ?= /usr/include
SOAK ?= 10
FUZZ ?= 60

.PHONY: demo test check soak fuzz lint bench docs packages clean

demo: packages
	@TREE="$(TREE)" Scripts/demo

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

packages:
	@Scripts/packages
	@Scripts/promtool

clean:
	@rm -rf .build .build-c .build-test .build-docs .build-tsan .build-fuzz .build-handlefs
	@rm -rf .build-tools
