# Targets list themselves: `make` prints those with a "## " text.
GO ?= go
CACHE ?= .cache
REF ?= HEAD~1

.DEFAULT_GOAL := help
.PHONY: help build test test-go test-race test-purego test-cross test-arm64 test-peers test-docker fuzz lint bench bench-compare bench-peers demo cover check-generate generate docs cuda test-cuda gpu-check clean

help: ## This list.
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## The command, as ./goqat.
	$(GO) build -trimpath -o goqat ./cmd/goqat

test: ## Everything this machine can test; says at the end what it left out (CI=true: leaving out fails).
	@scripts/test.sh

test-go: ## The Go tests alone.
	$(GO) test ./...

test-race: ## The Go tests under the race detector.
	$(GO) test -race -short ./...

test-purego: ## The Go tests without assembly and without cgo.
	CGO_ENABLED=0 $(GO) test -short -tags purego ./...

test-cross: ## Builds for the other platforms.
	@scripts/cross.sh

test-arm64: ## The arm64 assembly under qemu-user (Debian: qemu-user, binutils-aarch64-linux-gnu).
	@scripts/test-arm64.sh

test-peers: ## Exported models in the real runtimes (python3; first run installs them into .cache).
	@scripts/test-peers.sh

test-docker: ## The steps of the images, without Docker.
	@scripts/test-docker-steps.sh
	@scripts/test-docker-steps.sh docker/Dockerfile.gpu

fuzz: ## Each fuzz target for FUZZTIME (default 20s).
	@scripts/fuzz.sh

cuda: ## Kernels to PTX, and what they use (compilers come as packages); cubins: scripts/cuda-build.sh cubins.
	@scripts/cuda-build.sh

test-cuda: ## The GPU backend on a simulated GPU (g++).
	@scripts/test-cuda.sh

gpu-check: ## What checks and measures a machine that has a GPU and no Go, in dist/gpu-check.
	@scripts/gpu-check.sh build dist/gpu-check

lint: ## gofmt, go vet, golangci-lint and, with a vulnerability database, govulncheck.
	@scripts/lint.sh

bench: ## The Go benchmarks.
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-compare: ## Benchmarks of this tree against REF, by benchstat; BENCH picks some, COUNT the rounds.
	@scripts/bench-compare.sh $(REF)

bench-peers: ## goqat and PyTorch, ONNX Runtime, OpenVINO in turns; writes the table of docs/benchmarks.md.
	@scripts/bench-peers.sh

demo: ## The main job on the embedded data: train, quantize, convert, measure, report.
	$(GO) run ./cmd/goqat demo

cover: ## Test coverage by package.
	@mkdir -p $(CACHE)
	$(GO) test -short -coverprofile=$(CACHE)/cover.out ./... && $(GO) tool cover -func=$(CACHE)/cover.out | tail -n 1

docs: ## What documents quote and docs/cli.md anew.
	$(GO) test ./tests ./cmd/goqat -run 'Blocks|CLIDocument' -update

generate: ## Generated files anew.
	$(GO) generate ./...

check-generate: ## Proves that the checked-in generated files are what the generators make.
	@scripts/check-generate.sh

clean: ## What the targets above made.
	rm -rf goqat dist $(CACHE)
