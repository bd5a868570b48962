.DEFAULT_GOAL := help
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
RACE := ./oauth/loopback ./oauth/oauthtest ./labels ./oauth/scope ./oauth/seal ./oauth/store/... ./internal/keeper/... ./internal/vault ./internal/live ./internal/events ./xrpc/... ./identity/... ./repo/... ./internal/scenario/... ./lexgen/internal/install
# Their tests wait for claims that live for about a second: nothing runs beside them.
RACE_ALONE := ./oauth ./apppassword

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: test
test: ## what the README says: needs Go alone
	go test ./...

.PHONY: race
race: ## the race detector over the packages with goroutines
	go test -race $(RACE)
	set -e; for pkg in $(RACE_ALONE); do go test -race $$pkg; done

.PHONY: portable
PORTABLE := ./xrpc/lex ./xrpc/syntax ./oauth/scope
portable: ## what needs no sockets on 32 bits and as WebAssembly (by node); that files and the command compile for Windows; the next encoding/json
	@if GOARCH=386 CGO_ENABLED=0 go test -run '^$$' ./xrpc/syntax >/dev/null 2>&1; then bits='GOARCH=386' by=; \
	else echo 'this machine runs no 386 programs: 32 bits are those of arm, by qemu-user'; bits='GOARCH=arm' by='-exec qemu-arm'; fi; \
	set -ex; env $$bits CGO_ENABLED=0 go test $$by $(PORTABLE) ./xrpc; \
	env $$bits CGO_ENABLED=0 go test $$by ./oauth -run '^TestAnswersToAPushedRequest$$'
	GOOS=js GOARCH=wasm go test -exec "$$(go env GOROOT)/lib/wasm/go_js_wasm_exec" $(PORTABLE)
	GOOS=windows go vet ./oauth/store/filestore ./oauth/scope ./cmd/atproto
	cd examples/recipes && GOOS=windows go vet ./sealkey
	GOEXPERIMENT=jsonv2 go test ./lexgen/internal/schema $(PORTABLE)

.PHONY: generate
generate: ## copy the lexicons and generate from them
	go generate ./...

.PHONY: corpus generated-report
corpus: ## try any folder of lexicons: make corpus DIR=…; WITH= names folders that they refer to, MISSING=1 goes on without what is missing
	go run ./lexgen corpus $(if $(WITH),--with $(WITH)) $(if $(MISSING),--allow-missing) $(or $(DIR),lexicons)
generated-report: ## write generated/README.md: lexicons in, types, methods and lines out, times
	go run ./lexgen/internal/report > generated/README.md.new && mv generated/README.md.new generated/README.md

.PHONY: lint
lint: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	cd e2e && go vet ./... && go run $(STATICCHECK) ./...
	cd bench && go vet ./... && go run $(STATICCHECK) ./...
	cd examples/webapp && go vet ./... && go run $(STATICCHECK) ./...
	cd examples/recipes && go vet ./... && go run $(STATICCHECK) ./...

.PHONY: doclint
doclint: ## every exported name and field has a doc comment
	go test -count=1 -run 'Documented' ./internal/tools/house

.PHONY: fuzz
FOR ?= 50000x
GENERATE ?= 2000x
fuzz: ## every fuzz target for FOR each: a time, or a number of runs such as 50000x; the generator for GENERATE
	@for pkg in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; n=$(FOR); case $$target in FuzzGeneratedCodeTypeChecks | FuzzNamesAimedAtClashes) n=$(GENERATE) ;; esac; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $$n $$pkg || exit 1; \
		done; \
	done

.PHONY: e2e e2e-pds e2e-oauth e2e-services e2e-blobs e2e-streams e2e-browser e2e-webapp e2e-stores e2e-rolling e2e-cli
e2e: ## all of the following: real servers, real databases, a real browser; nothing is skipped
	cd e2e && go test -json -count=1 -p 1 -timeout 10m . ./rolling ./blobs | go run ./tally e2e
e2e-pds: ## the real PDS alone
	cd e2e && go test -json -count=1 -timeout 10m -run '^TestPDS$$' . | go run ./tally e2e-pds
e2e-oauth: ## the real PDS: all of the session layer; clients, keys, clocks, two servers, scopes
	cd e2e && go test -json -count=1 -timeout 10m -run '^Test(PDS|Clients|LoginByServer|TwoServers)$$' . | go run ./tally e2e-oauth
e2e-services: ## the real PDS: blobs by service tokens, its tokens at a service of ours; what our services refuse beside what it refuses; its repositories and their events
	cd e2e && go test -json -count=1 -timeout 10m -run '^Test(Services|ServicesBesideTheServer|Repositories)$$' . | go run ./tally e2e-services
e2e-blobs: ## the real PDS: 50 MB up and down in bounded memory, while nonces rotate, and by a front that trickles
	cd e2e && go test -json -count=1 -timeout 10m ./blobs -trickle $(or $(TRICKLE),60s) | go run ./tally e2e-blobs
e2e-streams: ## the real PDS: its events while records are written and the line is cut
	cd e2e && go test -json -count=1 -timeout 10m -run '^TestStreams$$' . -streamed 1000 | go run ./tally e2e-streams
e2e-browser: ## login through the server's pages, a session that comes back, and visits to examples/spa, in headless Chromium
	cd e2e && go test -json -count=1 -timeout 10m -run '^TestBrowser' . | go run ./tally e2e-browser
e2e-webapp: ## examples/webapp in headless Chromium, at the real PDS: pictures, double submits, tabs, outages, no JavaScript, axe-core
	cd e2e && go test -json -count=1 -timeout 10m -run '^TestWebapp' . | go run ./tally e2e-webapp
e2e-stores: ## the contract of stores on SQLite, PostgreSQL, MariaDB, Redis, files and memory
	cd e2e && go test -json -count=1 -timeout 10m -run '^Test(Store|Migrate|PrintedMigrations|Indexes|RowsAreUpdatedInPlace|OldServersStayReadable|PurgeWaitsForAWriter|TimesAreTheServers)' . | go run ./tally e2e-stores
e2e-cli: ## the command on the real PDS: login, posts, records, files, repositories, streams, logout
	cd e2e && go test -json -count=1 -timeout 10m -run '^TestCLI' . | go run ./tally e2e-cli
e2e-rolling: ## three processes over a PostgreSQL of their own, restarted in turn, and the database, too
	cd e2e && go test -json -count=1 -timeout 10m ./rolling | go run ./tally e2e-rolling

.PHONY: screenshots
screenshots: ## take the pictures of examples/webapp in docs/screenshots anew
	cd e2e && go test -count=1 -run '^TestWebappScreenshots$$' . -args -screenshots $(abspath docs/screenshots)

# Long runs have a short form for every day, and write a report when REPORT=docs/… says so.
REPORT ?=
report = $(if $(REPORT),-report $(abspath $(REPORT)))

.PHONY: storm
ROTATIONS ?= 10
storm: ## 1,000 goroutines find one session expired, ROTATIONS times per store
	cd e2e && go test ./storm -count=1 -timeout 4h -v -args -rotations $(ROTATIONS) $(report)

.PHONY: crash
N ?= 40
crash: ## N processes are killed, stopped or told to end in a refresh
	cd e2e && go test ./crash -count=1 -timeout 2h -v -args -n $(N) $(report)

.PHONY: rolling
RESTARTS ?= 10
rolling: ## processes under load are restarted by SIGTERM, RESTARTS times in turn; the short form is e2e-rolling
	cd e2e && go test ./rolling -count=1 -timeout 2h -v -args -restarts $(RESTARTS) $(report)

.PHONY: million
SESSIONS ?= 10000
million: ## what many sessions cost: SESSIONS in PostgreSQL and SQLite, a fifth in Redis, a tenth in files; 1000000 is the long form
	cd e2e && go test ./million -count=1 -timeout 4h -v -args -sessions $(SESSIONS) $(report)

.PHONY: simulate
SEEDS ?= 2000
simulate: ## SEEDS bad days of a session, from FIRST on, in time that is not real
	go test ./internal/keeper/simulation -run '^TestSimulation$$' -count=1 -timeout 8h -v -args -seeds $(SEEDS) $(if $(FIRST),-seed $(FIRST)) $(report)

.PHONY: tables
tables: ## write oauth/CONFORMANCE.md, xrpc/CONFORMANCE.md and docs/SCENARIOS.md from what passes now; fails while an item or a scenario is open
	go run ./internal/tools/conformance

.PHONY: newcomer
newcomer: ## type the first commands of README.md and docs/lexicons.md in empty folders, as they would be with this state published
	go test ./internal/tools/house -run '^TestFirstCommands$$' -count=1 -v -args -proxy "$$(go env GOPROXY)"

.PHONY: mutate
mutate: ## take protections out, one at a time: all, DRAW=3 at random (SEED= repeats), ONLY=part of name, item or file, JOBS=2 at once
	go run ./internal/tools/mutants $(if $(DRAW),-draw $(DRAW)) $(if $(SEED),-seed $(SEED)) $(if $(ONLY),-only '$(ONLY)') $(if $(JOBS),-jobs $(JOBS))

.PHONY: cover
MIN ?= 90
PKG ?= ./oauth ./identity $(if $(wildcard oauth/scope/*.go),./oauth/scope)
cover: ## how much of PKG its tests reach; fails below MIN percent
	@go test -cover $(PKG) | awk -v min=$(MIN) '{ print } /^FAIL/ { bad = 1 } \
		match($$0, /coverage: [0-9.]+%/) { n++; if (substr($$0, RSTART + 10, RLENGTH - 11) + 0 < min) { print "  that is below " min "%"; bad = 1 } } \
		END { exit bad || n == 0 }'

.PHONY: bench bench-check
bench: ## all benchmarks, or ONLY=codec,lexgen; ratios are taken side by side
	@for part in $$(echo $(or $(ONLY),lex,codec,dpop,call,sessions,repositories,lexgen) | tr , ' '); do \
		case $$part in \
		lex) go test -run '^$$' -bench . ./... ;; \
		codec) (cd bench && go test -run '^$$' -bench . ./codec) ;; \
		dpop) (cd bench && go test -run '^$$' -bench . ./dpop) ;; \
		call) (cd bench && go test -run '^$$' -bench . ./call) ;; \
		repositories) (cd bench && go test -run '^$$' -bench . ./repositories) ;; \
		sessions) (cd bench && go test -run '^$$' -bench . ./figures) ;; \
		lexgen) go run ./lexgen/internal/report && (cd bench && go run ./binary) ;; \
		*) echo "ONLY: there is no part $$part"; false ;; \
		esac || exit 1; \
	done
bench-check: ## the figures that have a limit
	cd bench && go test ./... && go run ./check
