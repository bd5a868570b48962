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

.PHONY: lint
lint: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	cd e2e && go vet ./... && go run $(STATICCHECK) ./...

.PHONY: fuzz
FOR ?= 50000x
fuzz: ## every fuzz target for FOR each: a time, or a number of runs such as 50000x
	@for pkg in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FOR) $$pkg || exit 1; \
		done; \
	done

.PHONY: e2e e2e-pds e2e-browser
e2e: ## the real PDS and a real browser; nothing is skipped
	cd e2e && go test -json -count=1 -timeout 10m . | go run ./tally e2e
e2e-pds: ## the real PDS alone
	cd e2e && go test -json -count=1 -timeout 10m -run '^TestPDS$$' . | go run ./tally e2e-pds
e2e-browser: ## login through the server's pages in headless Chromium
	cd e2e && go test -json -count=1 -timeout 10m -run '^TestBrowser$$' . | go run ./tally e2e-browser
