# shellcheck shell=bash
# The fault campaign (tests/chaos): a whole system in a folder of its own, broken by seed under load. What was found wrong is
# kept under .karwan/logs/chaos. Needs trial.sh.

chaos_end() {
	local code=$?
	trap '' INT TERM
	[ "$code" -eq 0 ] || keep_chaos
	throw_away
	exit "$code"
}

# What is left of a campaign that was not held: its logs, what was sent, what was broken, what was in the topics.
keep_chaos() {
	local to=$LOCAL/logs/chaos part
	rm -rf "$to"
	mkdir -p "$to"
	for part in logs chaos; do
		cp -r "$RUN"/tests/*/"$part" "$to/" 2>/dev/null || true
	done
	say "logs: $to"
}

# chaos [--minutes N] [--seed S] [--fault NAME]… [--rate N] [--json] [--plan] [--mutants]
chaos() {
	local option
	for option in "$@"; do
		case "$option" in
		--plan | --help | -h) exec python3 "$ROOT/tests/chaos/campaign.py" "$@" ;;
		esac
	done
	install_for_tests
	build dev
	open_run "$(mktemp -d "$LOCAL/chaos.XXXXXX")"
	trap_throw_away chaos_end
	place "$RUN/tests"
	export KAFKA_JVM=$TEST_KAFKA_JVM
	TEST_RUN_DIR=$(realpath "$RUN/tests") TEST_BIN_DIR=$LOCAL/build/dev/bin TEST_SERVERS_DIR=$DEV TEST_KAFKA_HOME=$KAFKA_JARS \
		python3 "$ROOT/tests/chaos/campaign.py" "$@"
}
