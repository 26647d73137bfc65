/* Forward-only, checksummed migrations of one schema, under an advisory lock. */
#include "pg/migrate.h"

#include <string.h>

#include "pg/impl.h"
#include "pg/tx.h"

#define TRIES 8
#define ARENA_MAX ((size_t)64 * 1024 * 1024)

enum { LOCK, ENTER, FIND_APPLIED, FIND_ONE, RECORD };

/* DDL cannot take arguments; what it names comes through settings of the transaction. Another
 * runner may hold the advisory lock as long as its file takes; tables are waited for as shortly as
 * ever. */
static const struct kw_stmt stmts[] = {
	[LOCK] = { "SELECT set_config('lock_timeout', '60s', true), set_config('karwan.schema', "
		   "$1::text, true), "
		   "set_config('karwan.owner', coalesce($2::text, ''), true)" },
	[ENTER] = { "SELECT set_config('role', coalesce($2::text, 'none'), true), "
		    "set_config('search_path', quote_ident($1::text), true), "
		    "set_config('lock_timeout', '5s', true)" },
	/* checksums are made by the server: this layer has no cryptography */
	[FIND_APPLIED] = { "SELECT coalesce(i.name, m.name) AS name, i.name IS NOT NULL AS ours, "
			   "coalesce(m.checksum = encode(sha256(i.sql), 'hex'), true) AS same "
			   "FROM unnest($1::text[], $2::bytea[]) AS i(name, sql) FULL JOIN "
			   "migrations m ON m.name = i.name "
			   "ORDER BY 1" },
	[FIND_ONE] = { "SELECT name FROM migrations WHERE name = $1::text" },
	[RECORD] = { "INSERT INTO migrations (name, checksum) VALUES ($1::text, "
		     "encode(sha256($2::bytea), 'hex'))" },
};

static const char take_lock[] =
	"DO $$ BEGIN PERFORM pg_advisory_xact_lock(hashtext('karwan migrate'), "
	"hashtext(current_setting('karwan.schema'))); END $$";

static const char make_schema[] =
	"DO $$ DECLARE\n"
	"	s text := current_setting('karwan.schema');\n"
	"	o text := current_setting('karwan.owner');\n"
	"BEGIN\n"
	"	IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = s) THEN\n"
	"		IF o = '' THEN EXECUTE format('CREATE SCHEMA %I', s);\n"
	"		ELSE EXECUTE format('CREATE SCHEMA %I AUTHORIZATION %I', s, o);\n"
	"		END IF;\n"
	"	END IF;\n"
	"END $$";

static const char make_table[] =
	"CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, checksum text NOT NULL, "
	"applied_at timestamptz NOT NULL DEFAULT now())";

struct file {
	const char *name;
	struct kw_bytes sql;
};

static const struct kw_col file_cols[] = {
	KW_COL_TEXT(struct file, name),
	KW_COL_BYTES(struct file, sql),
	KW_COL_END,
};

struct recorded {
	const char *name;
	bool ours, same;
};

static const struct kw_col recorded_cols[] = {
	KW_COL_TEXT(struct recorded, name),
	KW_COL_BOOL(struct recorded, ours),
	KW_COL_BOOL(struct recorded, same),
	KW_COL_END,
};

static const struct kw_col name_cols[] = {
	KW_COL_TEXT(struct recorded, name),
	KW_COL_END,
};

struct step {
	const struct kw_migrate_target *target;
	struct kw_arena *arena;
	const struct file *files; /* all */
	size_t n_files;
	const struct file *file; /* the one to apply */
	bool fresh;              /* this run brought it as far as COMMIT */
};

static size_t list_files(
	const struct kw_migrate_target *target, struct kw_arena *a, struct file **ret);
static enum kw_rc begin_step(struct kw_pg *pg, const struct step *s, struct kw_err *err);
static enum kw_rc check_tx(struct kw_pg *pg, void *ctx, struct kw_err *err);
static enum kw_rc apply_tx(struct kw_pg *pg, void *ctx, struct kw_err *err);

enum kw_rc kw_pg_migrate(struct kw_pg *pg, const struct kw_migrate_target *target,
	size_t *ret_applied, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(ARENA_MAX);
	struct step step = { .target = target, .arena = a };
	struct file *files;
	size_t applied = 0;

	step.n_files = list_files(target, a, &files);
	step.files = files;
	KW_TRY(kw_pg_tx_run(
		pg, &(struct kw_tx) { .run = check_tx, .ctx = &step, .max_tries = TRIES }, err));
	for (size_t i = 0; i < step.n_files; i++) {
		enum kw_rc rc;

		step.file = &files[i];
		step.fresh = false;
		rc = kw_pg_tx_run(pg,
			&(struct kw_tx) { .run = apply_tx, .ctx = &step, .max_tries = TRIES }, err);
		if (rc != KW_OK)
			return kw_fail_code(err, rc, err ? err->code : "", "%s.%s: %s",
				target->schema, files[i].name, err ? err->reason : "");
		applied += step.fresh;
	}
	*ret_applied = applied;
	return KW_OK;
}

static size_t list_files(
	const struct kw_migrate_target *target, struct kw_arena *a, struct file **ret)
{
	size_t n = 0, at = 0;

	for (const struct kw_migration *const *set = target->sets; *set; set++)
		for (const struct kw_migration *m = *set; m->name; m++)
			n++;
	*ret = kw_new(a, struct file, n);
	for (const struct kw_migration *const *set = target->sets; *set; set++)
		for (const struct kw_migration *m = *set; m->name; m++) {
			for (size_t i = 0; i < at; i++)
				kw_assert(strcmp((*ret)[i].name, m->name) != 0);
			(*ret)[at++] = (struct file) { m->name, { m->sql, strlen(m->sql) } };
		}
	return n;
}

static enum kw_rc begin_step(struct kw_pg *pg, const struct step *s, struct kw_err *err)
{
	struct kw_args args = kw_args_of(s->arena);

	kw_args_text(&args, s->target->schema);
	kw_args_text(&args, s->target->owner);
	KW_TRY(kw_pg_exec(pg, &stmts[LOCK], &args, NULL, err));
	KW_TRY(kw_pg_script(pg, take_lock, err));
	KW_TRY(kw_pg_script(pg, make_schema, err));
	KW_TRY(kw_pg_exec(pg, &stmts[ENTER], &args, NULL, err));
	return kw_pg_script(pg, make_table, err);
}

/* Everything that is recorded must be ours and unchanged, before anything is applied. */
static enum kw_rc check_tx(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct step *s = ctx;
	struct kw_args args = kw_args_of(s->arena);
	struct recorded *rows;
	size_t n;

	KW_TRY(begin_step(pg, s, err));
	kw_args_rows(&args, file_cols, s->files, s->n_files, sizeof(*s->files));
	KW_TRY(kw_pg_fetch(
		pg, &stmts[FIND_APPLIED], &args, recorded_cols, sizeof(*rows), &rows, &n, err));
	for (size_t i = 0; i < n; i++) {
		if (!rows[i].ours)
			return kw_fail_code(err, KW_CONFLICT, "CHECKSUM",
				"%s.%s is in the database and unknown to this program: it is "
				"older than the database",
				s->target->schema, rows[i].name);
		if (!rows[i].same)
			return kw_fail_code(err, KW_CONFLICT, "CHECKSUM",
				"%s.%s was applied with another text", s->target->schema,
				rows[i].name);
	}
	return KW_OK;
}

static enum kw_rc apply_tx(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct step *s = ctx;
	struct kw_args args = kw_args_of(s->arena);
	struct recorded row;
	enum kw_rc rc;

	KW_TRY(begin_step(pg, s, err));
	kw_args_text(&args, s->file->name);
	/* another run was faster, or ours landed and the reply to its COMMIT was lost */
	rc = kw_pg_fetch_one(pg, &stmts[FIND_ONE], &args, name_cols, sizeof(row), &row, err);
	if (rc != KW_NOTHING)
		return rc;
	KW_TRY(kw_pg_script(pg, s->file->sql.p, err));
	kw_args_bytes(&args, s->file->sql);
	KW_TRY(kw_pg_exec(pg, &stmts[RECORD], &args, NULL, err));
	s->fresh = true;
	return KW_OK;
}
