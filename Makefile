.DEFAULT_GOAL := help
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
RACE := ./oauth/... ./xrpc/... ./identity/... ./internal/scenario/...

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: test
test: ## what the README says: needs Go alone
	go test ./...

.PHONY: race
race: ## the race detector over the packages with goroutines
	go test -race $(RACE)

.PHONY: generate
generate: ## copy the lexicons and generate from them
	go generate ./...

.PHONY: corpus generated-report
corpus: ## try any folder of lexicons: make corpus DIR=…; WITH= names folders that they refer to
	go run ./lexgen corpus $(if $(WITH),--with $(WITH)) $(or $(DIR),lexicons)
generated-report: ## write generated/README.md: lexicons in, types, methods and lines out, times
	go run ./lexgen report > generated/README.md.new && mv generated/README.md.new generated/README.md

.PHONY: lint
lint: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	cd e2e && go vet ./... && go run $(STATICCHECK) ./...
	cd bench && go vet ./... && go run $(STATICCHECK) ./...
	cd examples/webapp && go vet ./... && go run $(STATICCHECK) ./...

.PHONY: fuzz
FOR ?= 50000x
GENERATE ?= 2000x
fuzz: ## every fuzz target for FOR each: a time, or a number of runs such as 50000x; the generator for GENERATE
	@for pkg in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; n=$(FOR); test $$target != FuzzGeneratedCodeTypeChecks || n=$(GENERATE); \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $$n $$pkg || exit 1; \
		done; \
	done

.PHONY: e2e e2e-pds e2e-oauth e2e-browser e2e-stores
e2e: ## all of the following: real servers, real databases, a real browser; nothing is skipped
	cd e2e && go test -json -count=1 -timeout 10m . | go run ./tally e2e
e2e-pds: ## the real PDS alone
	cd e2e && go test -json -count=1 -timeout 10m -run '^TestPDS$$' . | go run ./tally e2e-pds
e2e-oauth: ## the real PDS: all of the session layer; clients, keys, clocks, two servers, scopes
	cd e2e && go test -json -count=1 -timeout 10m -run '^Test(PDS|Clients|LoginByServer|TwoServers)$$' . | go run ./tally e2e-oauth
e2e-browser: ## login through the server's pages, and a visit to examples/webapp, in headless Chromium
	cd e2e && go test -json -count=1 -timeout 10m -run '^Test(Browser|BrowserAtAnApplication|Webapp)$$' . | go run ./tally e2e-browser
e2e-stores: ## the contract of stores on SQLite, PostgreSQL, MariaDB, Redis, files and memory
	cd e2e && go test -json -count=1 -timeout 10m -run '^(TestStore|TestMigrate|TestPrintedMigrations|TestIndexes)' . | go run ./tally e2e-stores

# Long runs have a short form for every day, and write a report when REPORT=docs/… says so.
REPORT ?=
report = $(if $(REPORT),-report $(abspath $(REPORT)))

.PHONY: storm
ROTATIONS ?= 10
storm: ## 1,000 goroutines find one session expired, ROTATIONS times per store
	cd e2e && go test ./storm -count=1 -timeout 4h -v -args -rotations $(ROTATIONS) $(report)

.PHONY: crash
N ?= 40
crash: ## N processes are killed or stopped in a refresh
	cd e2e && go test ./crash -count=1 -timeout 2h -v -args -n $(N) $(report)

.PHONY: tables
tables: ## write oauth/CONFORMANCE.md from what passes now; fails while an item is open
	go run ./internal/conformance

.PHONY: mutate
mutate: ## take protections out, one at a time: all, DRAW=3 at random (SEED= repeats), ONLY=part of name, item or file
	go run ./internal/mutants $(if $(DRAW),-draw $(DRAW)) $(if $(SEED),-seed $(SEED)) $(if $(ONLY),-only '$(ONLY)')

.PHONY: cover
MIN ?= 90
PKG ?= ./oauth ./identity $(if $(wildcard oauth/scope/*.go),./oauth/scope)
cover: ## how much of PKG its tests reach; fails below MIN percent
	go run ./internal/cover -min $(MIN) $(PKG)

.PHONY: bench bench-check
bench: ## all benchmarks, or ONLY=codec,lexgen; ratios are taken side by side
	@for part in $$(echo $(or $(ONLY),lex,codec,dpop,sessions,lexgen) | tr , ' '); do \
		case $$part in \
		lex) go test -run '^$$' -bench . ./... ;; \
		codec) (cd bench && go test -run '^$$' -bench . ./codec) ;; \
		dpop) (cd bench && go test -run '^$$' -bench . ./dpop) ;; \
		sessions) (cd bench && go test -run '^$$' -bench . ./figures) ;; \
		lexgen) go run ./lexgen report && (cd bench && go run ./binary) ;; \
		*) echo "ONLY: there is no part $$part"; false ;; \
		esac || exit 1; \
	done
bench-check: ## the figures that have a limit
	cd bench && go test ./... && go run ./check
