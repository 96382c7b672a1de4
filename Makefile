# Sotto. `make help` says what there is.

GO      ?= go
BIN     := bin
SPEECH  := tmp/speech
AXE     := tmp/axe
KNOWN   := tmp/wycheproof
MILLION := tmp/million
SHOTS   := tmp/shots

LDFLAGS := -s -w
export CGO_ENABLED ?= 0
# Tests flip bits in databases, and bbolt makes pointers of what damaged pages say: the garbage
# collector is not to end the test for finding one.
export GODEBUG ?= invalidptr=0

# Packages without hardware or sockets: their tests run as ARM programs, too.
PURE := ./board ./board/sim/ear ./board/sim/display ./board/sim/exchange ./board/sim/wav ./pbx ./pbx/analog ./pbx/country ./pbx/loopstart ./pbx/media \
        ./pbx/media/conceal ./pbx/media/dtmf ./pbx/media/fsk ./pbx/media/g711 ./pbx/media/jitter ./pbx/media/tone ./pbx/number ./pbx/plan ./pbx/plan/usercsv \
        ./pbx/table ./pbx/scene ./pbx/sipline/auth ./pbx/sipline/edge ./pbx/sipline/registrar ./pbx/sipline/sdp ./pbx/sipline/txn \
        ./pbx/sipline/ua ./storage/archive ./storage/e164 ./storage/keyring ./storage/papers ./storage/password ./storage/policy ./storage/seal

.NOTPARALLEL:
.PHONY: help run test check race arm bench micro million manyarm beside flood soak build speech axe known packages pictures golden clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | expand -t 10

run: ## build and start the demo office; then type words, such as: 101 lifts
	@echo building ...
	@$(GO) build -buildvcs=false -o $(BIN)/sotto ./cmd/sotto
	@$(BIN)/sotto -board sim -data run/data

test: packages speech axe known check race arm ## everything: installs the Debian packages it needs

check: ## format, vet, all tests; once before it: make packages speech axe known
	@test -z "$$(gofmt -l .)" || { echo 'not gofmt-clean:'; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) test -timeout 20m ./...

race: ## the short suite under the race detector (needs a C compiler); no checkptr: bbolt reads pages with flipped bits in tests
	CGO_ENABLED=1 $(GO) test -race -gcflags=all=-d=checkptr=0 -short -timeout 20m ./...

arm: ## the pure packages' tests as ARMv7 programs under qemu
	GOOS=linux GOARCH=arm GOARM=7 $(GO) test -short -exec 'qemu-arm-static' $(PURE)

bench: micro million beside flood ## all figures: micro, million, beside, flood; 40 minutes

micro: ## figures of the parts: media tick, switch step, SIP, detectors, drivers, storage
	$(GO) test -run xxx -bench . -benchmem ./board/... ./pbx/... ./storage/...

million: ## figures of a store of a million records, made once in tmp/million: fails over a limit; 8 minutes
	$(GO) test -count=1 -timeout 30m -run 'MillionMake$$' ./storage -args -million $(CURDIR)/$(MILLION)
	@failed=0; for test in Million MillionPrivacy; do \
		$(GO) test -count=1 -timeout 30m -v -run "$$test\$$" ./storage -args -million $(CURDIR)/$(MILLION) || failed=1; done; exit $$failed

manyarm: ## the same as an ARMv7 program under qemu, with 100,000 records and without a judge of times; 8 minutes
	GOOS=linux GOARCH=arm GOARM=7 $(GO) test -exec 'qemu-arm-static' -count=1 -timeout 60m -run 'MillionMake$$' ./storage -args -million $(CURDIR)/$(MILLION)arm -records 100000
	@failed=0; for test in Million MillionPrivacy; do \
		GOOS=linux GOARCH=arm GOARM=7 $(GO) test -exec 'qemu-arm-static' -count=1 -timeout 60m -v -run "$$test\$$" ./storage -args -million $(CURDIR)/$(MILLION)arm -records 100000 -emulated || failed=1; done; exit $$failed

beside: ## figures of the whole beside Asterisk (with root), as ratios; see bench/README.md
	@bash scripts/bench.sh

flood: ## the box under attack in network namespaces (with root): fails over a limit; 13 minutes
	$(GO) test -count=1 -timeout 40m -v ./bench/flood -args -attack 60s -judge

soak: speech ## long runs: fuzzing, hours of calls; an hour or so
	sh scripts/soak.sh

build: ## static programs for ARMv7, arm64 and amd64 in bin/
	GOOS=linux GOARCH=arm GOARM=7 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/sotto-armv7 ./cmd/sotto
	GOOS=linux GOARCH=arm64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/sotto-arm64 ./cmd/sotto
	GOOS=linux GOARCH=amd64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/sotto-amd64 ./cmd/sotto

speech: ## an hour of synthetic speech for the talk-off test, in tmp/speech
	@sh scripts/speech.sh $(SPEECH)

axe: ## the accessibility checks that the browser tests run, in tmp/axe
	@sh scripts/axe.sh $(AXE)

known: ## the known answers of Project Wycheproof that the ciphers are tried on, in tmp/wycheproof
	@GO=$(GO) sh scripts/wycheproof.sh $(KNOWN)

packages: ## install what the tests need from Debian
	@sh scripts/packages.sh espeak-ng flite festival festvox-kallpc16k sox qemu-user-static gcc libc6-dev baresip-core sip-tester iproute2 \
		chromium fonts-dejavu-core curl ca-certificates swtpm

pictures: axe ## the pictures of the README, anew; look at them, and at all others in tmp/shots
	$(GO) test -count=1 -run Pages ./browser -args -shots $(CURDIR)/$(SHOTS)
	cp $(SHOTS)/front-panel-1280-light.png docs/front-panel.png
	cp $(SHOTS)/handsets-1280-light.png docs/handsets.png

golden: ## write golden files anew; read the change before you commit it
	$(GO) test ./pbx ./pbx/analog ./pbx/country ./pbx/loopstart ./pbx/sipline/txn ./pbx/sipline/ua ./pbx/table ./storage/papers ./storage/seal -update

clean: ## remove what was built and made
	rm -rf --one-file-system $(BIN) tmp run
