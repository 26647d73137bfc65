#!/usr/bin/env bash
# The one-shot `roles` of docker-compose.yml: logins, their passwords and the database, from the secrets; any number
# of times. Passwords go in by standard input: no command line shows them.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
HOME=/tmp PGPASSWORD=$(cat /run/secrets/postgres-superuser)
export HOME PGPASSWORD
{
	sed -nE 's/^\*:\*:\*:([a-z_]+):([0-9a-f]+)$/\\set \1 \2/p' /run/secrets/pgpass-*
	cat "$here/roles.sql" "$here/database.sql"
} | psql -X -q -h postgres -U postgres -d postgres
