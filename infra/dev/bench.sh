# shellcheck shell=bash
# The benchmark: one replica of each service on Apache Kafka, in a run of its own that is thrown away. What sends and
# measures is tests/bench; here its steps are put in order. Needs trial.sh.

RECORDED=20000  # orders whose statements are written down
ACCEPTED=100000 # orders by which the edges alone are measured
COPIED=25000    # events of each partition that a publisher alone sends
BASE=10000      # orders of which the others are copies
GROWN=(100000 1000000)

HUGE_PAGES=/proc/sys/vm/nr_hugepages
HUGE_PAGES_MB=1200 # PostgreSQL's shared memory
huge_pages_before=

# As docs/operations.md tells an operator to. Where we may not, the pages are small.
bench_huge_pages() {
	[ -w "$HUGE_PAGES" ] || return 0
	huge_pages_before=$(cat "$HUGE_PAGES")
	local size_kb wanted
	size_kb=$(awk '$1 == "Hugepagesize:" { print $2 }' /proc/meminfo)
	wanted=$((huge_pages_before + HUGE_PAGES_MB * 1024 / size_kb))
	echo "$wanted" >"$HUGE_PAGES" 2>/dev/null || true
	say "huge pages: $(cat "$HUGE_PAGES") of $wanted"
}

bench_end() {
	local code=$?
	trap '' INT TERM
	[ "$code" -eq 0 ] || { keep_logs bench && say "logs: $LOCAL/logs/bench"; }
	stop_run || true
	throw_away
	[ -z "$huge_pages_before" ] || echo "$huge_pages_before" >"$HUGE_PAGES" || true
	exit "$code"
}

bench_step() {
	local settings
	mapfile -t settings <"$RUN/env"
	env "${settings[@]}" RUN_DIR="$RUN" "$BIN/karwan-bench" "$@"
}

bench_figure() { echo "$1 $2" >>"$RUN/figures"; }
bench_sql() { psql -X -q -v ON_ERROR_STOP=1 -d "$(superuser_dsn)" -c "$1"; }
karwan_dsn() { superuser_dsn | sed 's,/postgres?,/karwan?,'; }
copy_dsn() { superuser_dsn | sed 's,/postgres?,/karwan_copy?,'; }

stop_services() { in_parallel stop_program "${SERVICES[@]}"; }

# The courier takes a hundred parcels a call; no channel is asked.
bench_partners() {
	jq '(.couriers[] | select(.name == "courier-a") | .batch_max) = 100 | .couriers |= map(select(.name == "courier-a")) |
		.channels |= map(select(.url | not))' \
		"$DEV/partners.json" >"$RUN/partners.json"
	# shellcheck disable=SC2034  # run.sh reads them
	SIMULATORS=(courier-a) COURIERS_TELL=
}

# A sample of the path on a fresh database, with every statement that the services make written down; the copy is the
# database as it was before.
bench_record() {
	stop_services
	bench_sql 'CREATE DATABASE karwan_copy TEMPLATE karwan'
	SERVICE_MORE=("LD_PRELOAD=$BIN/bench-record.so" "BENCH_RECORD=$RUN/recorded")
	start_programs "${SERVICES[@]}"
	bench_step warm "$RECORDED"
	bench_figure recorded "$RECORDED"
	stop_services
	SERVICE_MORE=()
}

# How long the services take from their start until they are ready, servers up.
bench_ready() {
	local began=${EPOCHREALTIME/./}
	start_programs "${SERVICES[@]}"
	bench_figure ready_s "$(jq -n "(${EPOCHREALTIME/./} - $began) / 1000000")"
}

# The edges, with a database that is not there: nothing is consumed.
bench_accept() {
	local settings name
	SERVICE_MORE=("KARWAN_POSTGRES_DSN=postgresql://nobody@127.0.0.1:1/nothing")
	for name in order-routing payment-reconciliation; do
		command_of "$name"
		launch "$RUN/logs/$name.alone.log" "${COMMAND[@]}"
		write_pid "$RUN/run/$name.pid" "$LAUNCHED"
	done
	for name in order-routing payment-reconciliation; do
		wait_until 30 curl -fs -o /dev/null -m 2 "$(admin "$name")/readyz" || die "$name does not become ready"
	done
	bench_step accept "$ACCEPTED"
	for name in order-routing payment-reconciliation; do
		stop_pid "$RUN/run/$name.pid" TERM 30
	done
	SERVICE_MORE=()
}

bench_parts() {
	local name
	stop_services
	bench_step read
	bench_step publish
	bench_step book
	for name in "${SERVICES[@]}"; do
		bench_step replay "$name" "${LOGIN[$name]#karwan_}" "$(copy_dsn)"
	done
	bench_accept
	bench_stages
}

# bench_from_start STEP SERVICE: the step looks from before the service starts, and nobody else looks whether it is ready.
bench_from_start() {
	local step
	bench_step "$@" &
	step=$!
	launch_programs "$2"
	wait "$step"
	stop_program "$2"
}

# One service after another works off what bench_accept has left, then a publisher copies of the last events of a journal.
bench_stages() {
	local name
	for name in order-routing payment-reconciliation courier-dispatch; do
		bench_from_start stage "$name"
	done
	psql -X -q -v ON_ERROR_STOP=1 -v copies="$COPIED" -d "$(karwan_dsn)" -f "$ROOT/tests/bench/journal.sql" >/dev/null
	bench_from_start publisher order-routing
}

# What an order costs while more and more orders are stored, at half of what comes out; and what comes out of more replicas.
bench_growth() {
	local i stored check
	replicas 4
	bench_open
	bench_step warm "$BASE"
	bench_step seek replicas.1
	say "checking"
	check=$(karwanctl karwan_operator --json check | tail -n 1 | jq -r .check) || true
	for stored in "$@"; do
		[ "$(df -k --output=avail "$RUN" | tail -n 1)" -gt $((stored * 10)) ] || die "the disk is too small for $stored orders"
		stop_services
		say "copying orders until there are $stored"
		psql -X -q -t -v ON_ERROR_STOP=1 -v orders="$stored" -d "$(karwan_dsn)" \
			-f "$ROOT/tests/bench/clone.sql" >/dev/null
		start_programs "${SERVICES[@]:0:4}"
		bench_step grown "stored.$stored" "$(awk '$1 == "replicas.1" { printf "%d", $2 / 2 }' "$RUN/figures")"
	done
	for ((i = 2; i <= 4; i *= 2)); do
		start_programs "${SERVICES[@]:0:4*i}"
		bench_step seek "replicas.$i"
	done
	jq -Rnc --arg check "${check:-failed}" '[inputs | split(" ") | select(.[0] | test("^(stored|replicas)[.]"))] |
		reduce .[] as [$name, $value] ({}; setpath($name | split("."); $value | tonumber | . * 10 | round / 10)) |
		.stored |= map_values(. + {together: (add * 10 | round / 10)}) | . + {check: $check}' "$RUN/figures"
	[ "$check" = clean ]
}

# Memory over so many orders at full load, then what a kill and too high a rate do.
bench_soak() {
	local check capacity
	[[ $1 =~ ^[1-9][0-9]{4,6}$ ]] || die "$BENCH_USAGE"
	bench_open
	[ "$(df -k --output=avail "$RUN" | tail -n 1)" -gt $(($1 * 10)) ] || die "the disk is too small for $1 orders"
	bench_step soak "$1"
	bench_step seek capacity
	capacity=$(awk '$1 == "capacity" { printf "%d", $2 }' "$RUN/figures")
	bench_step killed $((capacity / 2))
	bench_step overload $((capacity * 3))
	say "checking"
	check=$(karwanctl karwan_operator --json check | tail -n 1 | jq -r .check) || true
	jq -Rnc --arg check "${check:-failed}" '[inputs | split(" ") | select(.[0] | test("^(memory|killed|overload)[.]|^capacity$"))] |
		reduce .[] as [$name, $value] ({}; setpath($name | split("."); (getpath($name | split(".")) // []) + [$value | tonumber | . * 100 | round / 100])) |
		walk(if type == "array" and length == 1 then .[0] else . end) | . + {check: $check}' "$RUN/figures"
	[ "$check" = clean ]
}

bench_open() {
	install_all
	build release
	open_run "$(mktemp -d "$LOCAL/bench.XXXXXX")"
	trap_throw_away bench_end
	bench_partners
	bench_huge_pages
	start_run
	in_parallel stop_program "${SERVICES[@]:4}"
	bench_step catalogue
}

BENCH_USAGE='usage: ./karwan bench [--runs N] [--json] | --growth [ORDERS…] | --soak [ORDERS]'

# bench [--runs N] [--json]: N runs of the path, of which the medians count. bench --growth [ORDERS…]. bench --soak [ORDERS]
bench() {
	local check i runs=5 options=()
	if [ "${1:-}" = --growth ]; then
		shift
		[[ " $*" =~ ^(\ [1-9][0-9]{4,7})*\ ?$ ]] || die "$BENCH_USAGE"
		[ $# -gt 0 ] || set -- "${GROWN[@]}"
		bench_growth "$@"
		return
	fi
	if [ "${1:-}" = --soak ]; then
		[ $# -le 2 ] || die "$BENCH_USAGE"
		bench_soak "${2:-1000000}"
		return
	fi
	while [ $# -gt 0 ]; do
		case "$1" in
		--json) options+=(--json) ;;
		--runs)
			[[ ${2:-} =~ ^[1-9][0-9]?$ ]] || die "$BENCH_USAGE"
			runs=$2
			shift
			;;
		*) die "$BENCH_USAGE" ;;
		esac
		shift
	done
	bench_open
	bench_record
	start_programs "${SERVICES[@]}"
	for ((i = 0; i < runs; i++)); do
		bench_step path
	done
	stop_services
	bench_ready
	for ((i = 0; i < runs; i++)); do
		bench_step half
	done
	say "checking"
	check=$(karwanctl karwan_operator --json check | tail -n 1 | jq -r .check) || true
	bench_parts
	bench_step report "${check:-failed}" "${options[@]}"
	[ "$check" = clean ]
}
