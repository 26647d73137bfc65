# shellcheck shell=bash
# The verbs with a run of their own that is thrown away: demo and test. Needs run.sh, install.sh, build.sh.

# end_process FILE: at once. PostgreSQL is asked, so that it removes its shared memory.
end_process() {
	local pid
	pid=$(pid_in "$1") || return 0
	if [ "$(cat "/proc/$pid/comm")" = postgres ]; then
		stop_pid "$1" QUIT 10
	else
		stop_pid "$1" KILL 10
	fi
}

# unmount_below DIR…: what a test has mounted there.
unmount_below() {
	local dir at
	for dir in "$@"; do
		while read -r at; do
			umount --lazy "$at"
		done < <(awk -v below="$dir/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts)
	done
}

# throw_away: whatever happened, no process and no folder of this run is left. Supervisors first: they restart.
throw_away() {
	local pattern file
	trap - EXIT
	trap '' INT TERM
	for pattern in '*.supervisor.pid' '*.pid' pid; do
		while read -r file; do
			end_process "$file"
		done < <(find "$RUN/run" "$DATA" "$RUN/tests/" -name "$pattern" 2>/dev/null)
	done
	unmount_below "$(realpath "$RUN")" "$(realpath -m "$RUN/tests")"
	unplace "$RUN/data"
	unplace "$RUN/tests"
	rm -rf "$RUN"
}

trap_throw_away() {
	# shellcheck disable=SC2064  # what is trapped is known now
	trap "$1" EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

demo_end() {
	local code=$?
	trap '' INT TERM
	[ "$code" -eq 0 ] || { keep_logs demo && say "logs: $LOCAL/logs/demo"; }
	stop_run || true
	throw_away
	exit "$code"
}

# keep_logs NAME: the logs of a run that failed.
keep_logs() {
	local to=$LOCAL/logs/$1 log
	rm -rf "$to"
	mkdir -p "$to"
	cp "$RUN"/logs/* "$to/" 2>/dev/null || true
	for log in "$DATA"/*/log; do
		[ ! -e "$log" ] || cp "$log" "$to/$(basename "$(dirname "$log")").log"
	done
}

# demo [--kafka] [--json]
demo() {
	local option options=()
	BROKER=dev-broker
	for option in "$@"; do
		case "$option" in
		--kafka) BROKER=kafka ;;
		--json) options+=(--json) ;;
		*) die "usage: ./karwan demo [--kafka] [--json]" ;;
		esac
	done
	install_all
	build release
	open_run "$(mktemp -d "$LOCAL/demo.XXXXXX")"
	trap_throw_away demo_end
	start_run
	local settings
	mapfile -t settings <"$RUN/env"
	env "${settings[@]}" BIN_DIR="$BIN" RUN_DIR="$RUN" TOPICS_FILE="$ROOT/schemas/topics.json" \
		"$ROOT/infra/simulators/demo" "${options[@]}"
}

test_end() {
	local code=$?
	[ "$code" -eq 0 ] || keep_logs test
	throw_away
	exit "$code"
}

# run_tests [CTEST OPTION…]: ctest, and without an option docker-compose.yml after it, whose last line says what came of it.
run_tests() {
	if [ "${1:-}" = compose ]; then
		shift
		"$ROOT/tests/compose/run" "$@"
		return
	fi
	run_ctest "$@"
	[ $# -eq 0 ] || return 0
	# what it started is gone before the next begins
	throw_away
	trap - INT TERM
	exec "$ROOT/tests/compose/run"
}

# Two a core: most of the time they wait.
run_ctest() {
	install_for_tests
	build dev
	open_run "$(mktemp -d "$LOCAL/test-run.XXXXXX")"
	trap_throw_away test_end
	say "starting PostgreSQL, Redis and Kafka (if a test fails, their logs are in $LOCAL/logs/test)"
	test_servers_up "$RUN"
	eval "$(test_servers_env "$RUN")"
	(cd "$ROOT" && ctest --preset dev --output-on-failure -j"$(($(nproc) * 2))" --no-tests=error "$@")
}
