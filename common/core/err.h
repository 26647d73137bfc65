/* Why something failed: filled once where it happened, passed up, logged once at an edge.
 * Plain struct owned by the caller; one thread at a time. */
#ifndef KW_CORE_ERR_H
#define KW_CORE_ERR_H

#include "core/rc.h"

struct kw_err {
	enum kw_rc rc;
	char reason[320];  /* for a person; no secrets, no personal data */
	char pointer[160]; /* JSON pointer of the member at fault, or "" */
	char code[40]; /* SQLSTATE, Kafka error name, or one of our UPPER_SNAKE reasons, or "" */
	const char *file;
	int line;
};

/* Fills err (may be NULL) and returns rc, so that one line fails: return kw_fail(err, KW_INVALID,
 * "…"). */
#define kw_fail(err, rc, ...) kw_err_set((err), (rc), __FILE__, __LINE__, "", "", __VA_ARGS__)
/* The same with a code for machines. */
#define kw_fail_code(err, rc, code, ...) \
	kw_err_set((err), (rc), __FILE__, __LINE__, (code), "", __VA_ARGS__)
/* The same with a JSON pointer. */
#define kw_fail_at(err, rc, pointer, ...) \
	kw_err_set((err), (rc), __FILE__, __LINE__, "", (pointer), __VA_ARGS__)

enum kw_rc kw_err_set(struct kw_err *err, enum kw_rc rc, const char *file, int line,
	const char *code, const char *pointer, const char *fmt, ...) KW_PRINTF(7, 8);

/* Ends the process with a message: our bug, never their data. Compiled in all builds. */
#define kw_assert(cond)                                              \
	do {                                                         \
		if (!(cond))                                         \
			kw_assert_failed(#cond, __FILE__, __LINE__); \
	} while (0)
_Noreturn void kw_assert_failed(const char *cond, const char *file, int line);

#endif
