# shellcheck shell=bash
# Looks for inputs on which the fuzz targets (tests/fuzz) end: libFuzzer with ASan and UBSan. What it learned and found
# stays under .karwan/fuzz/<target>. Needs install.sh, build.sh.

FUZZ=$LOCAL/fuzz
FUZZ_BUILD=$LOCAL/build/fuzz

# cpu_of PID: ticks of all its threads, nothing when it has ended.
cpu_of() {
	local stat
	read -ra stat <"/proc/$1/stat" && echo $((stat[13] + stat[14]))
} 2>/dev/null

# Lets PID run for so many seconds of the processor: a machine at work elsewhere takes none of them.
fuzz_watch() {
	local ticks
	while ticks=$(cpu_of "$1") && [ "$ticks" -lt $(($2 * $(getconf CLK_TCK))) ]; do
		sleep 0.5
	done
	kill -USR1 "$1" 2>/dev/null || true # libFuzzer tells its figures and ends
}

fuzz_minimise() {
	say "  made smaller: $2.small"
	"$1" -minimize_crash=1 -max_total_time=60 -exact_artifact_path="$2.small" "$2" >>"$3" 2>&1 || true
}

# fuzz_target NAME SECONDS: one line of figures; fails when something was found.
fuzz_target() {
	local program=$FUZZ_BUILD/bin/fuzz_$1 own=$FUZZ/$1 log=$LOCAL/logs/fuzz.$1.log code=0 pid found
	mkdir -p "$own/corpus" "$own/findings"
	python3 "$ROOT/tests/fuzz/seeds.py" "$ROOT" "$own/seeds" "$1" >&2 || return 1
	"$program" -artifact_prefix="$own/findings/" -dict="$own/seeds/$1.dict" -max_len=4096 -timeout=20 \
		-rss_limit_mb=2048 -print_final_stats=1 \
		"$own/corpus" "$own/seeds/$1" >"$log" 2>&1 &
	pid=$!
	fuzz_watch "$pid" "$2"
	wait "$pid" || code=$?
	printf '%-18s %10s inputs %6s edges %s\n' "$1" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
		"$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)" "$([ "$code" -eq 0 ] && echo ok || echo FOUND)"
	[ "$code" -ne 0 ] || return 0
	found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
	say "$1: see $log"
	[ -z "$found" ] || fuzz_minimise "$program" "$found" "$log"
	return 1
}

# fuzz [--seconds N] [TARGET…]
fuzz() {
	local seconds=60 name failed=0 targets=()
	if [ "${1:-}" = --seconds ]; then
		[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "usage: ./karwan fuzz [--seconds N] [TARGET…]"
		seconds=$2
		shift 2
	fi
	install_all
	install_packages packages-fuzz.txt
	CC=$(command -v clang-14 || command -v clang-19) build fuzz
	mapfile -t targets < <(cd "$FUZZ_BUILD/bin" && printf '%s\n' fuzz_* | sed 's/^fuzz_//')
	for name in "$@"; do
		[ -x "$FUZZ_BUILD/bin/fuzz_$name" ] || die "no target '$name'; there are: ${targets[*]}"
	done
	[ $# -eq 0 ] || targets=("$@")
	for name in "${targets[@]}"; do
		fuzz_target "$name" "$seconds" || failed=1
	done
	return "$failed"
}
