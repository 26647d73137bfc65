/* One JSON object a line on standard error. Only the edges log: batch loop, publisher, HTTP server,
 * svc, jobs. Any thread; a line is written with one call. Never secrets, bodies or personal data.
 */
#ifndef KW_CORE_LOG_H
#define KW_CORE_LOG_H

#include <stdint.h>

#include "core/err.h"

enum kw_log_level { KW_DEBUG, KW_INFO, KW_WARNING, KW_ERROR };

struct kw_log_field {
	const char *name;
	const char *text; /* NULL: number */
	int64_t number;
};

#define KW_NO_FIELDS          \
	{                     \
		NULL, NULL, 0 \
	}
#define KW_LS(name, text)                    \
	{                                    \
		(name), kw_log_text(text), 0 \
	}
#define KW_LI(name, number)            \
	{                              \
		(name), NULL, (number) \
	}

/* NULL is logged as "". */
static inline const char *kw_log_text(const char *text)
{
	return text ? text : "";
}

/* By its name in the log; INFO for any other name. */
enum kw_log_level kw_log_level_of(const char *name);
/* service is in every line; both before threads start. */
void kw_log_init(const char *service, enum kw_log_level level);

/* At least one field, or KW_NO_FIELDS: kw_log(KW_INFO, "batch committed", KW_LI("messages", n),
 * KW_LS("topic", topic)); */
#define kw_log(level, message, ...)            \
	kw_log_write((level), (message), NULL, \
		(const struct kw_log_field[]) { __VA_ARGS__, KW_NO_FIELDS })
/* The same with the error's reason, pointer, code and place. */
#define kw_log_err(level, message, err, ...)    \
	kw_log_write((level), (message), (err), \
		(const struct kw_log_field[]) { __VA_ARGS__, KW_NO_FIELDS })

void kw_log_write(enum kw_log_level level, const char *message, const struct kw_err *err,
	const struct kw_log_field *fields);

#endif
