# make demo   build in release and index a real tree (TREE=/path for another than /usr/include)
# make test   everything that must hold: tests, races, format, walls, documentation, HandleFS on mounts
# make fuzz   tokens and handles that libFuzzer makes up, for FUZZ=60 seconds
# make soak   the same campaigns for longer (SOAK=20 for twenty times as long)

TREE ?= /usr/include
SOAK ?= 10
FUZZ ?= 60

.PHONY: demo test soak fuzz lint bench docs packages clean

demo: packages
	@TREE="$(TREE)" Scripts/demo

test: packages
	@Scripts/test

soak: packages
	@HANDLESTORE_SOAK="$(SOAK)" Scripts/test

fuzz: packages
	@Scripts/fuzz -max_total_time="$(FUZZ)"

lint:
	@Scripts/lint

bench: packages
	@swift build -c release --product handlebench
	@.build/release/handlebench run

docs:
	@swift package generate-documentation --target HandleStore --warnings-as-errors

packages:
	@Scripts/packages

clean:
	@rm -rf .build .build-tsan .build-fuzz .build-handlefs
