/* migrate, topics apply. */
#include <stdio.h>

#include "ctl.h"
#include "flow/schema.h"

int ctl_migrate(struct ctl *ctl)
{
	size_t total = 0;

	for (size_t i = 0; i < AREAS; i++) {
		struct kw_pg *pg = ctl_connect(ctl, NULL);
		struct kw_migrate_target target = {
			.schema = areas[i].schema,
			.owner = "karwan_owner",
			.sets = (const struct kw_migration *const[]) { kw_flow_migrations,
				areas[i].migrations, NULL },
		};
		struct kw_err err = { 0 };
		size_t applied = 0;
		enum kw_rc rc = kw_pg_migrate(pg, &target, &applied, &err);

		kw_pg_free(pg);
		if (rc != KW_OK)
			return ctl_failed(areas[i].schema, &err);
		if (!ctl->json)
			printf("%-10s %zu new\n", areas[i].schema, applied);
		total += applied;
	}
	if (ctl->json)
		printf("{\"applied\":%zu}\n", total);
	return CTL_OK;
}

int ctl_topics_apply(struct ctl *ctl)
{
	struct kw_topics topics;
	struct kw_err err = { 0 };
	size_t created = 0;

	if (ctl_topics(ctl, &topics, &err) != KW_OK ||
		kw_topics_apply(ctl->brokers, &topics, &created, &err) != KW_OK)
		return ctl_failed("topics", &err);
	if (ctl->json)
		printf("{\"created\":%zu}\n", created);
	else
		printf("%zu created, %zu in all\n", created, topics.n_topics);
	return CTL_OK;
}
