# shellcheck shell=bash
# The verbs about the run that a person keeps: up, down, status, logs, env, ctl. Needs run.sh, install.sh, build.sh.

open_kept_run() {
	[ -e "$LOCAL/ports" ] || die "nothing was started here yet: ./karwan up"
	open_run "$LOCAL"
	take_ports
}

up() {
	install_all
	build release
	open_run "$LOCAL"
	start_run
	say "ready: ./karwan env, status, logs, ctl, down"
}

down() {
	[ -e "$LOCAL/ports" ] || return 0
	open_kept_run
	stop_run
}

# What `up` made; the build, Kafka's jars and the tests' servers stay.
wipe() {
	down
	unplace "$LOCAL/data"
	rm -rf "$LOCAL/run" "$LOCAL/secrets" "$LOCAL/ports" "$LOCAL/env" "$LOCAL/partners.json"
}

status() {
	local name pid ready restarts
	open_kept_run
	printf '%-24s %-8s %-6s %-6s %-6s %s\n' PROGRAM PID READY PORT ADMIN RESTARTS
	for name in postgres redis kafka "${SERVICES[@]}" "${SIMULATORS[@]}"; do
		pid=$(pid_in "$RUN/run/$name.pid") || pid=-
		ready=no
		[ "$pid" = - ] || ! is_ready "$name" || ready=yes
		restarts=$(cat "$RUN/run/$name.restarts" 2>/dev/null) || restarts=-
		printf '%-24s %-8s %-6s %-6s %-6s %s\n' "$name" "$pid" "$ready" "${PORT[$name]}" \
			"${PORT[$name-admin]:--}" "$restarts"
	done
}

# logs [-f] [PROGRAM]
logs() {
	local options=(-n 100) name=''
	if [ "${1:-}" = -f ]; then
		options+=(-F)
		shift
	fi
	open_kept_run
	name=${1:-*}
	# shellcheck disable=SC2206  # the pattern is meant to be one
	local files=("$RUN"/logs/$name.log)
	[ -e "${files[0]}" ] || die "no log of '$name'; there are: $(cd "$RUN/logs" && echo *.log)"
	tail "${options[@]}" "${files[@]}"
}

print_env() {
	[ -e "$LOCAL/env" ] || die "nothing was started here yet: ./karwan up"
	cat "$LOCAL/env"
}

# Migrations are made by the login that may act as the schemas' owner, the rest by the operator's.
ctl() {
	local login=karwan_operator
	open_kept_run
	[ "${1:-}" != migrate ] || login=karwan_admin
	karwanctl "$login" "$@"
}
