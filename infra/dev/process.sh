# shellcheck shell=bash
# Processes by pid file. A pid file holds the pid and the process's start time, so that a number which the system
# gave to another process since is never taken for ours. Needs lib.sh.

# start_time PID: in clock ticks since boot; fails where the process is gone (or dead and not yet reaped).
start_time() {
	local stat fields
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	read -ra fields <<<"${stat##*) }"
	[ "${fields[0]}" != Z ] && [ "${fields[0]}" != X ] && echo "${fields[19]}"
}

write_pid() {
	local since
	since=$(start_time "$2") || return 0
	# a server and who started it may write the same at the same time
	printf '%s %s\n' "$2" "$since" >"$1.$BASHPID.new"
	mv "$1.$BASHPID.new" "$1"
}

# pid_in FILE: the pid, if that process lives.
pid_in() {
	local pid since
	{ read -r pid since <"$1"; } 2>/dev/null || return 1
	[ "$(start_time "$pid")" = "$since" ] && echo "$pid"
}

is_gone() { ! pid_in "$1" >/dev/null; }

# stop_pid FILE SIGNAL SECONDS: SIGNAL, then, if it is still there after SECONDS, SIGKILL.
stop_pid() {
	local pid
	if pid=$(pid_in "$1"); then
		kill "-$2" "$pid" 2>/dev/null || true
		if ! wait_until "$3" is_gone "$1"; then
			say "$(basename "$1" .pid): still there after $3 s, killed"
			kill -KILL "$pid" 2>/dev/null || true
			wait_until 10 is_gone "$1" || return 1
		fi
	fi
	rm -f "$1"
}

# close_files: every inherited file but the first three, so that a server never holds a caller's pipe or lock.
close_files() {
	local path fd
	for path in /proc/"$BASHPID"/fd/*; do
		fd=${path##*/}
		if [ "$fd" -gt 2 ] && [ "$fd" -ne 255 ]; then
			eval "exec $fd>&-"
		fi
	done
}

# launch LOG COMMAND…: runs COMMAND on its own, away from the caller's terminal and files. Its pid is in LAUNCHED.
launch() {
	local log=$1
	shift
	(
		close_files
		exec setsid "$@" >>"$log" 2>&1 </dev/null
	) &
	LAUNCHED=$!
}

# The verbs that postgres-server, redis-server and kafka-server share. Each of them defines: run (replaces this
# process by the server), answers (succeeds when it serves), STOP_SIGNAL and LOG.

server_start() {
	if is_gone "$DIR/pid"; then
		mkdir -p "$DIR"
		# shellcheck disable=SC2153  # the server's own script sets these names
		launch "$LOG" "$SCRIPT" "$DIR" "$PORT" run
		write_pid "$DIR/pid" "$LAUNCHED"
	fi
	server_ready
}

server_ready() {
	local end=$((SECONDS + 60))
	until answers; do
		if [ -e "$DIR/pid" ] && is_gone "$DIR/pid"; then
			tail -n 15 "$LOG" >&2
			# shellcheck disable=SC2153
			die "$NAME in $DIR: stopped while it started; its log is $LOG"
		fi
		[ "$SECONDS" -lt "$end" ] || die "$NAME in $DIR: does not answer on port $PORT after 60 s; its log is $LOG"
		sleep 0.05
	done
}

server_stop() { stop_pid "$DIR/pid" "$STOP_SIGNAL" 60; }

# server_kill: SIGKILL to the server and its children, and they are gone when this returns.
server_kill() {
	local pid children child
	pid=$(pid_in "$DIR/pid") || return 0
	children=$(pgrep -P "$pid" || true)
	# shellcheck disable=SC2086  # a list of numbers
	kill -KILL "$pid" $children 2>/dev/null || true
	for child in $children; do
		wait_until 10 process_gone "$child" || die "$NAME in $DIR: process $child does not go"
	done
	stop_pid "$DIR/pid" KILL 10
}

process_gone() { ! start_time "$1" >/dev/null; }

# server_main USAGE DIR PORT VERB: the command line of a server script.
server_main() {
	[ $# -eq 4 ] || die "usage: $NAME DIR PORT {$1}"
	case "|$1|" in
	*"|$4|"*) ;;
	*) die "usage: $NAME DIR PORT {$1}" ;;
	esac
	[[ $3 =~ ^[0-9]{1,5}$ ]] || die "port $3 is not a number"
	case "$4" in
	start | ready | stop | kill) "server_$4" ;;
	*) "$4" ;;
	esac
}
