/* What the caller does next: the one result type of all code that can fail.
 * No ownership, any thread. */
#ifndef KW_CORE_RC_H
#define KW_CORE_RC_H

enum kw_rc {
	KW_OK = 0,
	KW_NOTHING,   /* done, and there was nothing to do */
	KW_DUPLICATE, /* already done before, with the same content */
	KW_INVALID,   /* their data is wrong: refuse it, or to the dead letter */
	KW_CONFLICT,  /* the same id with other content, or a stale version */
	KW_RETRY,     /* transient: roll back and run again */
	KW_FATAL,     /* stop; the supervisor starts us again */
};

/* "OK", "NOTHING", … for logs and metrics. */
const char *kw_rc_name(enum kw_rc rc);

/* Leaves the function with the code of a call that was not OK. It does nothing else. */
#define KW_TRY(call)                           \
	do {                                   \
		enum kw_rc kw_try_rc = (call); \
		if (kw_try_rc != KW_OK)        \
			return kw_try_rc;      \
	} while (0)

#define KW_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define KW_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
/* Destructor at the end of the scope; the function takes a pointer to the variable. */
#define KW_CLEANUP(fn) __attribute__((cleanup(fn)))

#endif
