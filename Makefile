# Porch: every command a person or CI runs. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

OS := $(shell uname -s)
ifeq ($(OS),Linux)
PLATFORM_TAGS := ,webkit2_41
endif
RELEASE_TAGS := desktop,production$(PLATFORM_TAGS)
DEV_TAGS := dev$(PLATFORM_TAGS)

# The one version number, for all programs: see scripts/version.sh.
VERSION := $(shell scripts/version.sh)
NUMBERED := $(shell scripts/version-flags.sh)

GO_SOURCES := $(shell find . -name '*.go' -not -path './frontend/node_modules/*')
# Without what the build and the tests write themselves: it would make the pages anew each time.
WEB_SOURCES := $(wildcard $(shell git ls-files -co --exclude-standard frontend ':!frontend/e2e' ':!frontend/dist'))

.PHONY: help
help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

# ---- set-up and building

.PHONY: setup-build setup-relay setup-dist setup
setup-build:
	@scripts/setup.sh build
setup-relay:
	@scripts/setup.sh relay
setup-dist:
	@scripts/setup.sh dist
setup: ## install what is missing to build and test
	@scripts/setup.sh

frontend/dist/.built: $(WEB_SOURCES)
	cd frontend && npm run --silent build
	@touch $@

build/bin/porch: $(GO_SOURCES) go.mod go.sum frontend/dist/.built
	go build -tags $(RELEASE_TAGS) -ldflags "-s -w $(NUMBERED)" -o $@ .

build/bin/porch-dev: $(GO_SOURCES) go.mod go.sum frontend/dist/.built
	go build -tags $(DEV_TAGS) -ldflags "$(NUMBERED)" -o $@ .

build/bin/porch-headless: $(GO_SOURCES) go.mod go.sum frontend/dist/.built
	go build -ldflags "$(NUMBERED)" -o $@ ./backend/cmd/porch-headless

build/bin/porch-lab: $(GO_SOURCES) go.mod go.sum
	go build -o $@ ./backend/cmd/porch-lab

build/bin/porch-load: $(GO_SOURCES) go.mod go.sum
	go build -o $@ ./backend/cmd/porch-load

# Without C: the same file runs on every Linux.
build/bin/porch-relay: $(GO_SOURCES) go.mod go.sum frontend/dist/.built
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w $(NUMBERED)" -o $@ ./backend/cmd/porch-relay

.PHONY: relay relay-deb
relay: setup-relay ## build the public relay, one static program: build/bin/porch-relay
	@$(MAKE) --no-print-directory build/bin/porch-relay
relay-deb: relay ## the public relay as a Debian package: build/bin/porch-relay_*.deb
	scripts/relay-deb.sh

build/bin/porch.exe: $(GO_SOURCES) go.mod go.sum frontend/dist/.built $(wildcard build/windows/*) wails.json
	scripts/porch-exe.sh $@ -ldflags "-s -w -H windowsgui $(NUMBERED)"

.PHONY: build app-dev headless
build: setup-build ## build the app: build/bin/porch
	@$(MAKE) --no-print-directory build/bin/porch
app-dev: setup-build ## build the app with Wails' dev server: build/bin/porch-dev
	@$(MAKE) --no-print-directory build/bin/porch-dev
headless: setup-build ## build the app without a window: build/bin/porch-headless
	@$(MAKE) --no-print-directory build/bin/porch-headless

.PHONY: page
page: setup-build ## the static page of direct links, for any web space: frontend/dist/page
	cd frontend && npm run --silent build:page

.PHONY: run
run: build ## build the app and open it
	@scripts/run.sh

.PHONY: cross
cross: frontend/dist/.built ## build for Windows, type-check for macOS
	@$(MAKE) --no-print-directory build/bin/porch.exe
	CGO_ENABLED=0 GOOS=darwin go vet ./backend/...
	CGO_ENABLED=0 GOOS=windows go vet ./backend/...

# ---- giving it to people

.PHONY: dist site reproducible
dist: setup-dist ## everything that people download, for all systems but macOS: build/dist
	@$(MAKE) --no-print-directory frontend/dist/.built
	scripts/dist.sh
site: ## the home page: build/site; SUMS=build/dist/SHA256SUMS for one with that release's downloads
	rm -rf build/site
	node scripts/site.mjs $(VERSION) $(SUMS)
reproducible: ## build the programs of make dist elsewhere and compare them byte for byte
	scripts/reproducible.sh

# ---- checking

.PHONY: check
check: setup ## what says yes or no before a commit (warm: under two minutes)
	@$(MAKE) --no-print-directory frontend/dist/.built
	scripts/check.sh

.PHONY: test
test: setup ## install what is missing and pass all tests
	@$(MAKE) --no-print-directory build/bin/porch build/bin/porch-dev build/bin/porch-headless build/bin/porch-relay
	scripts/test.sh

.PHONY: test-udp-other test-windows test-deb
test-udp-other: setup-build ## the packet path of Windows and macOS, on Linux: the call's tests and the forwarding bench
	go test -tags porch_udp_other -timeout 10m ./backend/kit/batchudp ./backend/media/path ./backend/call ./backend/guest
	go test ./backend/call -run '^$$' -bench ForwardingCost -benchtime 1x -count 1
	go test -tags porch_udp_other ./backend/call -run '^$$' -bench ForwardingCost -benchtime 1x -count 1
test-windows: ## what can run under Wine: the backend's tests, a browser's guest, the installer (make dist first)
	@scripts/setup.sh windows
	@$(MAKE) --no-print-directory frontend/dist/.built
	scripts/test-windows.sh
test-deb: ## the package of make dist in bare Debians: installed, used, removed (root); SUITES=bookworm
	@scripts/setup.sh deb
	@$(MAKE) --no-print-directory frontend/dist/.built
	scripts/test-deb.sh

.PHONY: lab
lab: export PATH := $(CURDIR)/build/lab/tools/miniupnpd-nftables/usr/sbin:$(CURDIR)/build/lab/tools/nginx/usr/sbin:$(PATH)
lab: ## calls across NATs, through a router and on narrow lines, in network namespaces (root): build/lab/*.txt
	@scripts/setup.sh lab
	@$(MAKE) --no-print-directory page build/bin/porch build/bin/porch-dev build/bin/porch-headless build/bin/porch-relay
	PORCH_LAB=1 go test -count 1 -run 'Laboratory|NarrowLine|FullLine' -v ./backend/call ./backend/host/ways ./backend/kit/portmap
	cd frontend && npx --no-install vitest run -c vitest.lab.config.ts

.PHONY: lab-media
lab-media: setup ## calls on lines of many kinds (root): what must be, was and is; ROWS=A1,A3 RUNS=5 DOC=docs/performance.md: build/lab/media.json
	@$(MAKE) --no-print-directory build/bin/porch-lab build/bin/porch-headless build/bin/porch-relay
	build/bin/porch-lab media -rows "$(ROWS)" -runs $(or $(RUNS),1) -note "$(NOTE)" -doc "$(DOC)"

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (default 1m)
	scripts/fuzz.sh $(or $(FUZZTIME),1m)

.PHONY: bench
bench: setup ## measure against the budgets of the design
	@$(MAKE) --no-print-directory build/bin/porch build/bin/porch-dev build/bin/porch-headless build/bin/porch-load
	scripts/bench.sh

.PHONY: load
load: setup-relay ## 10,000 hosts and 2,000 guests at one relay, twice; relays of two and three machines: build/load
	@$(MAKE) --no-print-directory build/bin/porch-relay build/bin/porch-load
	scripts/load.sh

.PHONY: screenshots
screenshots: setup ## every screen, light and dark, wide and narrow: build/screenshots, docs/images
	@$(MAKE) --no-print-directory build/bin/porch-dev build/bin/porch
	cd frontend && npm run --silent screenshots
	cp build/screenshots/host-11-call-knock-light-wide.png docs/images/call.png
	cp build/screenshots/host-02-share-light-wide.png docs/images/share.png
	cp build/screenshots/guest-02-waiting-dark-390.png docs/images/waiting.png

.PHONY: screenshots-languages
screenshots-languages: setup ## the screens in all ten languages, light and dark, wide and narrow: build/screenshots/languages
	cd frontend && npm run --silent messages && PORCH_LANGUAGES=all npx --no-install vitest run -c vitest.e2e.config.ts e2e/languages.e2e.ts

.PHONY: generate
generate: ## make the generated files anew
	go generate ./backend/...
	scripts/bindings.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf build/bin build/screenshots frontend/dist/host frontend/dist/guest frontend/dist/page frontend/dist/.built
