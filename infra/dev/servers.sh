# shellcheck shell=bash
# The private servers of one folder, and what belongs to it: ports, PostgreSQL's roles. A run (`up`, `demo`, `test`,
# `servers`) is a folder RUN with data/ logs/ run/ secrets/ and ports. Needs lib.sh, process.sh.

declare -A PORT=() # name of a program -> its port in this run

anything_runs() {
	local file
	for file in "$DATA"/*/pid "$RUN"/run/*.pid; do
		is_gone "$file" || return 0
	done
	return 1
}

# take_ports NAME…: the ports that the run had before, where nobody took one since; new ones for the others.
take_ports() {
	local name port runs=''
	! anything_runs || runs=1
	PORT=()
	if [ -e "$RUN/ports" ]; then
		while read -r name port; do
			PORT[$name]=$port
		done <"$RUN/ports"
	fi
	for name in "$@"; do
		if [ -z "${PORT[$name]:-}" ] || { [ -z "$runs" ] && ! port_is_free "${PORT[$name]}"; }; then
			PORT[$name]=$(free_port)
		fi
	done
	for name in "${!PORT[@]}"; do
		echo "$name ${PORT[$name]}"
	done | sort >"$RUN/ports"
}

# server NAME VERB: one of the server scripts, on this run's folder and port.
server() { "$DEV/$1-server" "$DATA/$1" "${PORT[$1]}" "$2"; }

# open_run DIR: everything below works on the run in DIR.
open_run() {
	RUN=$1
	mkdir -p "$RUN"
	chmod a+rx "$LOCAL" "$RUN"
	place "$RUN/data"
	DATA=$(realpath "$RUN/data")
	mkdir -p "$RUN/logs" "$RUN/run"
	mkdir -p "$RUN/secrets"
	chmod 700 "$RUN/secrets"
}

ROLES=(karwan_admin karwan_operator karwan_listing karwan_routing karwan_payment karwan_dispatch)

# PostgreSQL's passwords, one line a role in the form of a passfile.
make_passwords() {
	local role
	[ ! -e "$RUN/secrets/pgpass" ] || return 0
	(
		umask 077
		for role in "${ROLES[@]}"; do
			echo "*:*:*:$role:$(secret 16)"
		done >"$RUN/secrets/pgpass"
	)
}

dsn() { echo "postgresql://$1@127.0.0.1:${PORT[postgres]}/karwan?passfile=$RUN/secrets/pgpass"; }
superuser_dsn() { echo "postgresql://postgres@127.0.0.1:${PORT[postgres]}/postgres?passfile=$DATA/postgres/superuser.pgpass"; }

# make_roles FILE…: runs these files of infra/postgres as superuser. Passwords go in by standard input: no command
# line shows them.
make_roles() {
	make_passwords
	{
		sed -E 's/^\*:\*:\*:([a-z_]+):([0-9a-f]+)$/\\set \1 \2/' "$RUN/secrets/pgpass"
		(cd "$ROOT/infra/postgres" && cat "$@")
	} | psql -X -q -d "$(superuser_dsn)"
}

# in_parallel COMMAND ARGUMENT…: COMMAND on each argument side by side; fails if one does.
in_parallel() {
	local command=$1 argument pids=() pid failed=0
	shift
	for argument in "$@"; do
		"$command" "$argument" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=1
	done
	return "$failed"
}

start_server() {
	[ "$1" != postgres ] || server postgres init
	server "$1" start
}

# For a Kafka that lives for minutes: no thorough compiler, no threads for collecting garbage.
TEST_KAFKA_JVM='-XX:TieredStopAtLevel=1 -XX:+UseSerialGC'

# The servers for tests: nobody restarts them, throw_away ends them.
test_servers_up() {
	export KAFKA_JVM=$TEST_KAFKA_JVM
	open_run "$1"
	take_ports postgres redis kafka
	in_parallel start_server postgres redis kafka || die "the servers in $RUN did not start"
	make_roles roles.sql
	place "$RUN/tests"
}

# What the tests are told. No name begins with KARWAN_: those are the programs' own.
test_servers_env() {
	[ -e "$1/ports" ] || die "no servers in $1: ./karwan servers up"
	open_run "$1"
	take_ports
	cat <<-END
		export TEST_POSTGRES_DSN='$(superuser_dsn)'
		export TEST_PGPASSFILE='$RUN/secrets/pgpass'
		export TEST_REDIS_URL=redis://127.0.0.1:${PORT[redis]}
		export TEST_KAFKA_BROKERS=127.0.0.1:${PORT[kafka]}
		export TEST_KAFKA_HOME='$KAFKA_JARS'
		export TEST_RUN_DIR='$(realpath "$RUN/tests")'
		export KAFKA_JVM='$TEST_KAFKA_JVM'
		export TEST_BIN_DIR='$LOCAL/build/dev/bin'
		export TEST_SERVERS_DIR='$DEV'
	END
}
