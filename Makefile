VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
export GOFLAGS ?= -buildvcs=false

.PHONY: build agents web up down test check lint race e2e fuzz bench simulate clean images
build: web ## both binaries, with the web UI inside, in build/
	@mkdir -p build
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o build/controller ./cmd/controller
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o build/agent ./cmd/agent
	cp build/agent build/agent-linux-$(shell go env GOARCH)

agents: ## the agent for both architectures that a cloud has, for machines to download
	for arch in amd64 arm64; do CGO_ENABLED=0 GOARCH=$$arch go build -trimpath -ldflags '$(LDFLAGS)' -o build/agent-linux-$$arch ./cmd/agent || exit; done

web: ## the browser's part, into web/dist
	scripts/web-build

images: ## the game images that no registry is needed for
	scripts/images/build all

up: export PPP_STORE = $(value STORE)
up: ## a controller, an agent and a running Minecraft server on this machine; STORE=postgres://…: its state is in Postgres
	scripts/up
down: ## take all of it away again
	scripts/down

test: ## everything CI runs
	scripts/test
check: lint race ## quick: linters, fences, unit tests with the race detector
lint:
	scripts/lint
race:
	go test -race -timeout 15m ./...
e2e: ## real daemons, real Docker, a real Minecraft server, a bot and a browser
	scripts/e2e
fuzz: ## 20 s a target; FUZZTIME=1h for more
	scripts/fuzz
bench: ## performance.md's figures with their yardsticks, into build/bench.json
	scripts/bench
simulate: ## bad days on virtual time: SEEDS=500 SEED=1; PLANT=all: every planted bug must be found
	SEEDS='$(SEEDS)' SEED='$(SEED)' PLANT='$(PLANT)' scripts/simulate
soak: ## the long versions, resumable
	scripts/soak
clean:
	rm -rf build web/dist/assets web/dist/*.html
