# The commands that people type. The scripts in tools/ do the work. They read the
# modules from go.work, and build each of them alone (GOWORK=off).
.DEFAULT_GOAL := help
.PHONY: help setup test quick run bench fuzz audit

BENCH    ?= .
COUNT    ?= 1
FUZZTIME ?= 10s
ARGS     ?=

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16
	@echo "variables: BENCH=$(BENCH) COUNT=$(COUNT) FUZZTIME=$(FUZZTIME) ARGS=$(ARGS)"

setup: ## install what the tests need and this machine lacks
	@tools/setup >/dev/null

test: ## make setup; then gofmt, vet, linter and tests of every module
	@tools/check

quick: ## in between: gofmt, vet, build; tests of the root module with -short, no servers
	@tools/check --quick

run: ## the reference server, with ARGS
	go run ./examples/server $(ARGS)

bench: ## the benchmarks matching BENCH, COUNT times
	@for m in $$(tools/modules); do \
		echo "== $$m" && (cd $$m && GOWORK=off go test -run='^$$' -bench='$(BENCH)' -benchmem -count=$(COUNT) ./...) || exit 1; \
	done

fuzz: ## every fuzz target for FUZZTIME
	@FUZZTIME=$(FUZZTIME) tools/fuzz

audit: ## known vulnerabilities in what every module uses (asks vuln.go.dev)
	@go -C tools build -o "$(CURDIR)/.build/" golang.org/x/vuln/cmd/govulncheck
	@for m in $$(tools/modules); do \
		echo "== $$m" && (cd $$m && GOWORK=off $(CURDIR)/.build/govulncheck ./...) || exit 1; \
	done
