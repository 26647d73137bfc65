# shellcheck shell=bash
# The docker engine: the one that runs, or one of our own. Needs lib.sh, process.sh.

ENGINE= # folder of our own; empty: there was one
ENGINE_FAULT=

engine_answers() { docker version >/dev/null 2>&1; }
engine_ended() { is_gone "$ENGINE/pid"; }
engine_decided() { engine_answers || engine_ended; }

# Its sockets have short paths; its images stay in .karwan/docker, so that the next run is quick.
start_engine() {
	! engine_answers || return 0
	ENGINE=$(mktemp -d /run/karwan.XXXXXX)
	iptables-save >"$ENGINE/iptables" 2>/dev/null || true
	export DOCKER_HOST=unix://$ENGINE/socket
	mkdir -p "$LOCAL/docker"
	launch "$LOCAL/logs/dockerd.log" dockerd --data-root "$LOCAL/docker" --exec-root "$ENGINE/exec" --pidfile "$ENGINE/dockerd" \
		--host "$DOCKER_HOST"
	write_pid "$ENGINE/pid" "$LAUNCHED"
	wait_until 60 engine_decided || true
	! engine_answers || return 0
	ENGINE_FAULT=$(tail -n 1 "$LOCAL/logs/dockerd.log" | cut -c 1-200)
	return 1
}

# The rules of the firewall become what they were; its bridge goes.
stop_engine() {
	[ -n "$ENGINE" ] || return 0
	stop_pid "$ENGINE/pid" TERM 60
	ip link delete docker0 2>/dev/null || true
	[ ! -s "$ENGINE/iptables" ] || iptables-restore "$ENGINE/iptables" 2>/dev/null || true
	rm -rf "$ENGINE"
	ENGINE=
}
