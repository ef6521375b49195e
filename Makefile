# Two commands: `make run` tries the service, `make test` checks everything. Both install what they need.

BUF := npx --yes @bufbuild/buf@1.75.0

.PHONY: run test bench fmt-check lint docs buf tests need-cargo need-postgresql need-node

# Build and start everything: PostgreSQL, sample tasks, the service.
run: need-cargo need-postgresql
	cargo run --release --locked -- dev

# Format, lints, docs, the contract's lint, all tests.
test: fmt-check lint docs buf tests

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

# The list's speed beside its floors; TASKS=10000000 for the full size.
bench: need-cargo need-postgresql
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
