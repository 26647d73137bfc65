# shellcheck shell=bash
# What docker-compose.yml reads from outside the checkout's files: secrets and partners, in STATE. Needs lib.sh, install.sh,
# secrets.sh, servers.sh.

STATE=${STATE:-$LOCAL/compose}
KARWAN_UID=10001 # of the services, in their images
GRAFANA_UID=472  # of Grafana, in its own
POSTGRES_UID=999 # of PostgreSQL
HAPROXY_UID=99   # of the gateway

# give UID FILE…: nobody but that user of the containers (and root) may read them.
give() {
	local uid=$1
	shift
	as_root chmod 400 "$@"
	as_root chown "$uid:$uid" "$@"
}

# The partners file as a new deployment has it: nobody but the operator.
new_partners() {
	jq -n '{channels: [], providers: [], couriers: [],
		operators: [{name: "operator", secret_files: ["secrets/operator"]}], allow_private_urls: false}'
}

# The demo's partners beside those that are there.
with_demo_partners() {
	jq --slurpfile demo <(sed -e 's|@shops@|http://shops:8080|' -e 's|@\(courier-[ab]\)@|http://\1:8080|' "$DEV/partners.json") '
		def beside($more): map(.name) as $have | . + ($more | map(select(.name | IN($have[]) | not)));
		.channels |= beside($demo[0].channels) | .providers |= beside($demo[0].providers) |
		.couriers |= beside($demo[0].couriers) | .allow_private_urls = true' "$1"
}

make_stack_secrets() {
	local name
	RUN=$STATE
	make_passwords
	for name in "${ROLES[@]}"; do
		make_secret "pgpass-${name#karwan_}" grep ":$name:" "$STATE/secrets/pgpass"
	done
	make_secret postgres-superuser secret 24
	make_secret grafana-admin secret 12
	make_secret national-id-key secret 32
	make_secret national-id-hash-key secret 32
}

# Where copies of the database go: its user's alone.
make_backup_place() {
	mkdir -p "$STATE/backup"
	as_root mkdir -p "$STATE/backup/archive" "$STATE/backup/copies"
	as_root chmod 700 "$STATE/backup"
	as_root chown "$POSTGRES_UID:$POSTGRES_UID" "$STATE/backup" "$STATE/backup/archive" "$STATE/backup/copies"
}

# The gateway's certificate, where an operator has put one: the chain is no secret, its key is.
own_certificate() {
	mkdir -p "$STATE/gateway"
	chmod 755 "$STATE/gateway"
	[ ! -e "$STATE/gateway/certificate.pem" ] || as_root chmod 444 "$STATE/gateway/certificate.pem"
	[ ! -e "$STATE/gateway/certificate.pem.key" ] || give "$HAPROXY_UID" "$STATE/gateway/certificate.pem.key"
}

make_partner_secrets() {
	local demo=$1
	RUN=$STATE/partners
	[ -z "$demo" ] || make_demo_secrets
	make_secret operator secret 32
}

# secrets [demo]: makes what is not there yet; what is there stays. demo: the simulators' partners too.
secrets() {
	local name demo=''
	case "$*" in
	'') ;;
	demo) demo=1 ;;
	*) die "usage: ./karwan secrets [demo]" ;;
	esac
	for name in jq openssl; do
		command -v "$name" >/dev/null || die "$name is missing: ./karwan install"
	done
	[ "$EUID" -eq 0 ] || command -v sudo >/dev/null || die "secrets are given to the containers' users: run it as root"
	mkdir -p "$STATE/secrets" "$STATE/partners/secrets"
	[ ! -d "$LOCAL" ] || chmod a+x "$LOCAL"
	chmod 755 "$STATE" "$STATE/partners"
	as_root chmod 700 "$STATE/secrets"
	as_root chmod 711 "$STATE/partners/secrets"
	make_stack_secrets
	make_partner_secrets "$demo"
	# one id for ever: with another one, the services would take the log for a new one
	[ -e "$STATE/kafka.env" ] || echo "CLUSTER_ID=$(openssl rand 16 | basenc --base64url | tr -d =)" >"$STATE/kafka.env"
	[ -e "$STATE/partners/partners.json" ] || new_partners >"$STATE/partners/partners.json"
	if [ -n "$demo" ]; then
		with_demo_partners "$STATE/partners/partners.json" >"$STATE/partners/partners.json.new"
		mv "$STATE/partners/partners.json.new" "$STATE/partners/partners.json"
	fi
	chmod 644 "$STATE/partners/partners.json"
	give "$KARWAN_UID" "$STATE"/secrets/* "$STATE"/partners/secrets/*
	give "$GRAFANA_UID" "$STATE/secrets/grafana-admin"
	make_backup_place
	own_certificate
	# the containers' users read these, also in a checkout that its owner keeps to himself
	chmod -R a+rX "$ROOT"/infra/{gateway,grafana,postgres,prometheus,redis,simulators} "$ROOT/schemas/topics.json"
	say "secrets and partners are in $STATE"
}
