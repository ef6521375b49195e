# Two commands: `make run` tries the service, `make test` checks everything. Both install what they need.

BUF := npx --yes @bufbuild/buf@1.75.0

# $(call in-web,command): with Node.js 20, which Debian 12 does not have yet: there npm fetches it.
in-web = cd web && if node -e 'process.exit(+(parseInt(process.versions.node) < 20))'; \
	then $(1); else npx --yes -p node@20.20.2 -c '$(1)'; fi

.PHONY: run test bench console web fmt-check lint docs buf tests e2e need-all need-cargo need-postgresql need-node need-web need-chromium

# Build and start everything: PostgreSQL, sample tasks, the service; its console where there is Node.js to build it.
run: need-cargo need-postgresql
	@if command -v npm >/dev/null; then \
	  $(MAKE) --no-print-directory console || echo 'The console could not be built (see above); going on without it.' >&2; \
	else \
	  echo 'There is no Node.js with npm: going on without the console. With it, /console is built too.' >&2; fi
	cargo run --release --locked -- dev

# Format, lints, docs, the contract's lint, all tests. First what they need, so that a missing program shows at once and
# not after minutes; then the console, so that it is in what is tested.
test: need-all
	@$(MAKE) --no-print-directory fmt-check web lint docs buf tests e2e

# Everything that any of these commands needs.
need-all: need-cargo need-postgresql need-node need-chromium need-web

# The console, into web/console/dist, which the next build of the service embeds.
console: need-web
	@$(call in-web,npm run --silent build)

# Types, the client's tests and package, the console's size.
web: console
	@$(call in-web,npm run --silent check)

# The console in a browser, on the service that `tests` built.
e2e: console need-cargo need-postgresql need-chromium
	cargo test --locked --no-run
	@$(call in-web,npm run --silent e2e)

need-web: need-node web/node_modules/.package-lock.json

web/node_modules/.package-lock.json: web/package-lock.json
	@$(call in-web,npm ci --ignore-scripts)
	@touch $@

fmt-check: need-cargo
	cargo fmt --check

lint: need-cargo
	cargo clippy --locked --all-targets -- -D warnings

docs: need-cargo
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

buf: need-node
	$(BUF) lint proto

tests: need-cargo need-postgresql
	cargo test --locked

# The speed of lists, writes, watches and the console, beside floors; TASKS=10000000 for the full size.
bench: console need-cargo need-postgresql need-chromium
	cargo bench --locked --bench list

need-cargo:
	@command -v cargo >/dev/null || { \
	  echo 'Rust is missing: install it from https://rustup.rs, then run this again.' >&2; exit 1; }

# $(call install,what it is,Debian package)
define install
	{ if ! command -v apt-get >/dev/null; then \
	    echo '$(1) is missing: install it with your package manager, then run this again.' >&2; exit 1; fi; \
	  if [ "$$(id -u)" = 0 ]; then as_root=; \
	  elif sudo -n true 2>/dev/null; then as_root=sudo; \
	  else echo '$(1) is missing: run `apt-get install $(2)` as root, then this again.' >&2; exit 1; fi; \
	  echo 'Installing $(1) ($(2))'; \
	  $$as_root apt-get update -qq && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2); }
endef

need-postgresql:
	@[ -n "$$PG_BINDIR" ] || command -v postgres >/dev/null \
	  || find /usr/lib/postgresql /usr/pgsql-* /usr/local /opt/homebrew -path '*/bin/postgres' 2>/dev/null | grep -q . \
	  || $(call install,PostgreSQL,postgresql)

need-node:
	@command -v npx >/dev/null || $(call install,Node.js with npm,nodejs npm)

# With a Chinese font: the pictures that the tests take are for people.
need-chromium:
	@{ [ -n "$$CHROMIUM" ] || command -v chromium; } >/dev/null \
	  && { ! command -v fc-list >/dev/null || fc-list :lang=zh | grep -q .; } \
	  || $(call install,Chromium with a Chinese font,chromium fonts-wqy-microhei)
