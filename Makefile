# `make run` tries the service, `make test` checks everything. Both first say what is missing on the machine; .ci/needs has
# the rules of what is installed when.

BUF := npx --yes @bufbuild/buf@1.75.0

# How many tests run at the same time, since many of them wait most of their time: two for every core with cargo-nextest, for
# which .config/nextest.toml names those that count as two, and three for two without it. More would leave the tests of time
# limits little room.
TEST_THREADS ?= $(shell cargo nextest --version >/dev/null 2>&1 && halves=4 || halves=3; \
	echo $$(( ($$(getconf _NPROCESSORS_ONLN) * halves + 1) / 2 )))

# The tests of two tenants, which run a second time with row-level security: the services then connect as a role that does not
# own the tables. Names are found in names, so the plans of large tables are left out again.
OF_TWO_TENANTS := access:: tokens:: keys:: list_cache_keys:: list_pages:: watch:: watch_ends:: watch_behind:: events:: \
	idempotency:: bulk:: get:: names:: schedule:: target_pages:: target_results:: export:: explain_targets::calls_about \
	key_service:: copies:: labels:: label_filters:: attention:: progress:: --skip explain_attention:: --skip explain_progress::

# $(call with-node,command): with Node.js 20, which Debian 12 does not have yet: there npm fetches it.
with-node = if node -e 'process.exit(+(parseInt(process.versions.node) < 20))'; \
	then $(1); else npx --yes -p node@20.20.2 -c '$(1)'; fi

# $(call in-web,command): the same in the folder web.
in-web = cd web && $(with-node)

# cargo, or cargo auditable where it is installed: that program names its dependencies and their versions in itself, which
# scanners of advisories read (`cargo audit bin`, trivy, grype).
CARGO_AUDITABLE = $$(cargo auditable --version >/dev/null 2>&1 && echo cargo auditable || echo cargo)

.PHONY: run release test test-all package test-proxies test-versions test-upgrade test-failover test-monitoring chaos bench audit sbom console web fmt-check lint docs docs-reference buf proto-released python-generate tests test-clients test-clients-all e2e need-test need-rust need-run need-node need-web need-clients

# Build and start everything: PostgreSQL, sample tasks, the service; its console where there is Node.js to build it.
run: need-run
	@if command -v npm >/dev/null; then \
	  $(MAKE) --no-print-directory console || echo 'The console could not be built (see above); going on without it.' >&2; \
	else \
	  echo 'There is no Node.js with npm: going on without the console and without /docs/, which are built with it.' >&2; fi
	cargo run --release --locked -- dev

# The program for a deployment, in target/release, with its console.
release: need-run console
	$(CARGO_AUDITABLE) build --release --locked

# Format, lints, docs, the contract's lint, all tests, clients and console too. First what they need, so that a missing program
# shows at once and not after minutes; then the console, so that it is in what is tested, and beside it what one processor does.
test: need-test
	@$(MAKE) --no-print-directory -j2 fmt-check web clients/.venv/installed
	@$(MAKE) --no-print-directory lint docs buf tests test-clients e2e

# Everything, with what needs large programs. It first says what is missing.
test-all: need-test
	@.ci/needs promtool go java packaging nginx
	@$(MAKE) --no-print-directory test test-monitoring package test-proxies test-versions

# The tarball and the Debian package, built into target/package; the package tried in a minimal Debian, which needs root; the
# files for containers and clusters checked. packaging/release makes a release.
package: need-rust
	@.ci/needs packaging
	packaging/check
	packaging/release
	packaging/try target/package/outbound-tasks_*.deb

# Every kind of call through Debian's nginx with the configuration of packaging/nginx.
test-proxies: need-rust console
	@.ci/needs nginx python
	cargo build --locked
	packaging/try_proxy nginx target/debug/outbound-tasks
	packaging/try_proxy envoy target/debug/outbound-tasks
	packaging/nginx/try_clusters target/debug/outbound-tasks

# With each version of PostgreSQL: the schema, the plans of lists, and every kind of call.
OF_EACH_VERSION := migrations:: explain list_pages:: list_model:: counts:: create:: transitions:: bulk:: watch:: watch_ends:: \
	watch_resumed:: import:: import_calls:: import_calls_leads:: export:: row_security:: schedule:: names:: statements:: \
	database_errors:: copies:: labels:: label_filters:: attention:: progress::
test-versions: need-rust need-node
	cargo test --locked --no-run
	for version in $${VERSIONS:-15 16 17 18}; do \
	  folder=$$(.ci/postgresql $$version) && echo "PostgreSQL $$version" && \
	  PG_BINDIR=$$folder cargo test --locked --test it -- --test-threads=$(TEST_THREADS) $(OF_EACH_VERSION) || exit 1; done

# Two versions of the program side by side on one database: OLD=path/to/the/old/program.
test-upgrade: need-rust
	@[ -n "$(OLD)" ] || { echo 'Which program is the old one? make test-upgrade OLD=path' >&2; exit 1; }
	cargo build --locked
	packaging/try_upgrade $(OLD) target/debug/outbound-tasks

# The dependencies' licences, bans, sources and advisories (deny.toml). The advisories need their database, which is
# fetched from GitHub; where that cannot be reached, the rest is checked. In CI that is a failure.
audit: need-rust
	@cargo deny --version >/dev/null 2>&1 || { \
	  echo 'cargo-deny is missing: run `cargo install --locked cargo-deny`, then this again.' >&2; exit 1; }
	cargo deny --locked check --hide-inclusion-graph licenses bans sources
	@if cargo deny fetch db; then cargo deny --locked check --disable-fetch advisories; else \
	  echo 'The advisories were not checked: their database could not be fetched (see above).' >&2; \
	  [ -z "$$CI" ]; fi

# The software bill of materials: outbound-tasks.cdx.json names what the program is made of, as CycloneDX.
sbom: need-rust
	@cargo cyclonedx --version >/dev/null 2>&1 || { \
	  echo 'cargo-cyclonedx is missing: run `cargo install --locked cargo-cyclonedx`, then this again.' >&2; exit 1; }
	cargo cyclonedx --format json

# The console and the viewer of the HTTP API, into web/console/dist and web/docs/dist, which the next build of the service
# embeds.
console: need-web
	@$(call in-web,npm run --silent build)

# Types, the client's tests and package, the console's size.
web: console
	@$(call in-web,npm run --silent check)

# The console in a browser, on the service that `tests` built.
e2e: need-test console
	cargo test --locked --no-run
	@$(call in-web,npm run --silent e2e)

# The clients, against the service that `tests` built: their own tests, the commands and programs of their READMEs, and all of
# them in the same situations (clients/conformance).
test-clients: need-clients
	cargo test --locked --no-run
	@$(call in-web,npm run --silent build -w client)
	@$(call with-node,clients/.venv/bin/python -m pytest -n 2 --dist loadgroup clients)

# The same with the examples in Go and Java, which `test-clients` takes only where their tools are installed.
test-clients-all:
	@.ci/needs go java
	@$(MAKE) --no-print-directory test-clients

# Writes what the Python client takes from the contract. A test compares it.
python-generate: clients/.venv/installed
	clients/.venv/bin/python clients/python/generate.py

fmt-check: need-rust
	cargo fmt --check

# The long tests are no part of `cargo test`, so --all-targets leaves them out.
lint: need-rust
	cargo clippy --locked --all-targets --test chaos -- -D warnings

docs: need-rust
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

# Writes the parts of docs/reference that are generated: from the contract, --help and /metrics. Tests compare them.
docs-reference: need-rust
	UPDATE_DOCS=1 cargo test --locked --test it -- docs::the_reference

buf: need-node
	$(BUF) lint proto
	$(BUF) breaking proto --against proto/released.binpb

# The contract of a release, which `buf` compares later ones with: part of making a release. A file and no tag, so that a
# shallow clone can compare too.
proto-released: need-node
	$(BUF) build proto --exclude-source-info -o $(or $(TO),proto/released.binpb)

tests: need-rust
	@TMPDIR=$$(.ci/scratch) || exit 1; export TMPDIR; \
	if cargo nextest --version >/dev/null 2>&1; then set -x; \
	  cargo nextest run --locked --test-threads=$(TEST_THREADS) && \
	  ROW_SECURITY=on cargo nextest run --locked --test it --test-threads=$(TEST_THREADS) -- $(OF_TWO_TENANTS) && \
	  cargo test --locked --doc; \
	else set -x; \
	  cargo test --locked -- --test-threads=$(TEST_THREADS) && \
	  ROW_SECURITY=on cargo test --locked --test it -- --test-threads=$(TEST_THREADS) $(OF_TWO_TENANTS); fi

# Ten failovers between two PostgreSQL nodes under Patroni; FAILOVER_ROUNDS=3 is one of each kind. It needs the Debian
# packages patroni and etcd-server.
test-failover: need-rust
	@.ci/needs patroni
	cargo test --locked --test chaos -- --nocapture failover::

# The alerts and the metrics as Prometheus reads them, by its promtool.
test-monitoring: need-rust
	@.ci/needs promtool
	promtool check config monitoring/prometheus.yml
	promtool test rules monitoring/rules/tests.yml
	cargo test --locked --test chaos -- --nocapture monitoring::

# The long tests: failovers, an hour's soak (SOAK_MINUTES), and a longer history of the list cache (LIST_CACHE_SECONDS).
chaos: test-failover
	LIST_CACHE_SECONDS=$${LIST_CACHE_SECONDS:-600} cargo test --locked --test it -- --nocapture list_cache_history::
	cargo test --locked --test chaos -- --nocapture soak::

# The speed of lists, writes, watches and the console, beside floors; TASKS=10000000 for the full size.
bench: need-test console
	cargo bench --locked --bench list

need-run:
	@.ci/needs --install cargo cc postgresql

need-test:
	@.ci/needs cargo lint cc postgresql pgbouncer node chromium python

need-rust:
	@.ci/needs cargo cc postgresql

need-node:
	@.ci/needs node

need-clients: need-web clients/.venv/installed
	@.ci/needs cargo cc postgresql

# What the tests of the clients are made of, apart from the Python packages of the machine.
clients/.venv/installed: clients/requirements.txt clients/python/pyproject.toml
	@.ci/needs python
	python3 -m venv --clear clients/.venv
	clients/.venv/bin/pip install --quiet --disable-pip-version-check -r clients/requirements.txt
	@touch $@

need-web: need-node web/node_modules/.package-lock.json

web/node_modules/.package-lock.json: web/package-lock.json
	@$(call in-web,npm ci --ignore-scripts)
	@touch $@
