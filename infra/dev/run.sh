# shellcheck shell=bash
# The programs of a run: how each is started, asked and stopped. Each runs under its own supervisor.
# Needs lib.sh, process.sh, servers.sh, secrets.sh.

SERVICES=(listing-ingestion order-routing payment-reconciliation courier-dispatch)
SIMULATORS=(courier-a courier-b shops)
declare -A LOGIN=([listing-ingestion]=karwan_listing [order-routing]=karwan_routing
	[payment-reconciliation]=karwan_payment [courier-dispatch]=karwan_dispatch)
BIN=${BIN:-$LOCAL/build/release/bin}
BROKER=kafka # or dev-broker
SESSION_MS=  # of the services' consumers; empty: as they have it
SERVICE_MORE=() # more of a service's environment, NAME=VALUE; wins over what is here
COURIERS_TELL=1 # the couriers tell of scans

# A replica is named SERVICE.N and is what SERVICE is, on ports of its own.
service_of() { echo "${1%.*}"; }
# replicas N: that many of each service; before open_ports.
replicas() {
	local n service all=("${SERVICES[@]}")
	for ((n = 2; n <= $1; n++)); do
		for service in "${all[@]}"; do
			SERVICES+=("$service.$n")
		done
	done
}

supervisor_file() { echo "$RUN/run/$1.supervisor.pid"; }
brokers() { if [ "$BROKER" = kafka ]; then echo "127.0.0.1:${PORT[kafka]}"; else cat "$RUN/run/brokers"; fi; }
edge() { echo "http://127.0.0.1:${PORT[$1]}"; }
admin() { echo "http://127.0.0.1:${PORT[$1-admin]}"; }

open_ports() {
	local service admins=()
	for service in "${SERVICES[@]}"; do
		admins+=("$service-admin")
	done
	take_ports postgres redis kafka "${SERVICES[@]}" "${admins[@]}" "${SIMULATORS[@]}"
}

# What a client needs, and every program knows.
client_env() {
	cat <<-END
		KARWAN_LISTING_URL=$(edge listing-ingestion)
		KARWAN_ROUTING_URL=$(edge order-routing)
		KARWAN_PAYMENT_URL=$(edge payment-reconciliation)
		KARWAN_DISPATCH_URL=$(edge courier-dispatch)
		KARWAN_KAFKA_BROKERS=$(brokers)
		KARWAN_POSTGRES_DSN=$(dsn "${1:-karwan_operator}")
		KARWAN_REDIS_URL=redis://127.0.0.1:${PORT[redis]}
		KARWAN_PARTNERS_FILE=$RUN/partners.json
	END
}

# The lines of RUN/more/NAME, if there is such a file, win.
service_env() {
	client_env "${LOGIN[$(service_of "$1")]}"
	cat <<-END
		KARWAN_TOPICS_FILE=$ROOT/schemas/topics.json
		KARWAN_LISTEN=127.0.0.1:${PORT[$1]}
		KARWAN_ADMIN_LISTEN=127.0.0.1:${PORT[$1-admin]}
		KARWAN_LOG_LEVEL=info
	END
	[ -z "$SESSION_MS" ] || echo "KARWAN_SESSION_MS=$SESSION_MS"
	if [ "$(service_of "$1")" = listing-ingestion ]; then
		echo "KARWAN_NATIONAL_ID_KEY_FILE=$RUN/secrets/national-id-key"
		echo "KARWAN_NATIONAL_ID_HASH_KEY_FILE=$RUN/secrets/national-id-hash-key"
	fi
	[ ! -e "$RUN/more/$1" ] || cat "$RUN/more/$1"
}

# The command line that runs NAME in the foreground, in COMMAND; the signal that ends it, in STOP_WITH.
command_of() {
	local settings=()
	STOP_WITH=TERM
	case "$1" in
	postgres | redis | kafka) COMMAND=("$DEV/$1-server" "$DATA/$1" "${PORT[$1]}" run) ;;
	dev-broker)
		COMMAND=(env -i "PATH=$PATH" "$BIN/dev-broker" --topics "$ROOT/schemas/topics.json" --bootstrap-file "$RUN/run/brokers")
		;;
	courier-a | courier-b)
		COMMAND=(env -i "PATH=$PATH" "$BIN/courier-simulator" --name "$1" --listen "127.0.0.1:${PORT[$1]}"
			--secret-file "$RUN/secrets/$1")
		[ -z "$COURIERS_TELL" ] || COMMAND+=(--tracking-url "$(edge courier-dispatch)/v1/couriers/$1/tracking")
		;;
	shops)
		COMMAND=(env -i "PATH=$PATH" "KARWAN_PARTNERS_FILE=$RUN/partners.json" "$ROOT/infra/simulators/shops"
			--listen "127.0.0.1:${PORT[shops]}")
		;;
	*)
		mapfile -t settings < <(service_env "$1")
		COMMAND=(env -i "PATH=$PATH" "${settings[@]}" "${SERVICE_MORE[@]}" "$BIN/$(service_of "$1")")
		;;
	esac
	[ "$1" != postgres ] || STOP_WITH=INT
}

# Several programs side by side. start_programs also waits until all are ready.
launch_programs() {
	local name log
	for name in "$@"; do
		is_gone "$(supervisor_file "$name")" || continue
		log=$RUN/logs/$name.log
		[ ! -e "$log" ] || mv "$log" "$log.1"
		[ "$name" != postgres ] || server postgres init
		command_of "$name"
		launch "$log" "$DEV/supervise" "$RUN" "$name" "$STOP_WITH" "${COMMAND[@]}"
		write_pid "$(supervisor_file "$name")" "$LAUNCHED"
	done
}

start_programs() {
	local name
	launch_programs "$@"
	for name in "$@"; do
		wait_ready "$name"
	done
}

is_ready() {
	case "$1" in
	postgres | redis | kafka) server "$1" answers ;;
	dev-broker) [ -e "$RUN/run/brokers" ] ;;
	courier-a | courier-b | shops) ! port_is_free "${PORT[$1]}" ;;
	# Ready for requests (200), and its consumer has its partitions.
	*) curl -fs -m 2 "$(admin "$1")/readyz" | jq -e '.assigned != false' >/dev/null ;;
	esac
}

wait_ready() {
	local end=$((SECONDS + 60))
	until is_ready "$1"; do
		if is_gone "$(supervisor_file "$1")" || [ "$SECONDS" -ge "$end" ]; then
			tail -n 15 "$RUN/logs/$1.log" >&2
			die "$1 does not become ready: $RUN/logs/$1.log"
		fi
		sleep 0.05
	done
}

# A program is asked to leave and has 30 s to finish what it does.
stop_program() {
	stop_pid "$(supervisor_file "$1")" TERM 30
	stop_pid "$RUN/run/$1.pid" KILL 10
	rm -f "$RUN/run/$1.restarts"
}

karwanctl() {
	local login=$1 settings
	shift
	mapfile -t settings < <(client_env "$login")
	env -i "PATH=$PATH" "HOME=${HOME:-/}" "TERM=${TERM:-dumb}" "${settings[@]}" \
		"KARWAN_TOPICS_FILE=$ROOT/schemas/topics.json" "$BIN/karwanctl" "$@"
}

start_run() {
	open_ports
	make_secrets
	make_partners
	say "starting PostgreSQL, Redis and the broker"
	start_programs postgres redis "$BROKER"
	make_roles roles.sql database.sql
	karwanctl karwan_admin migrate >>"$RUN/logs/setup.log"
	# The embedded broker makes its topics itself.
	[ "$BROKER" != kafka ] || karwanctl karwan_operator topics apply >>"$RUN/logs/setup.log"
	say "starting the services"
	start_programs "${SERVICES[@]}" "${SIMULATORS[@]}"
	client_env >"$RUN/env"
}

# What feeds is stopped before what it feeds.
stop_run() {
	in_parallel stop_program "${SIMULATORS[@]}" "${SERVICES[@]}"
	in_parallel stop_program kafka dev-broker redis
	stop_program postgres
}
