#include "bus/impl.h"
rd_kafka_conf_t *kw_rk_conf(const char *brokers, const char *client_id, void *opaque, void (*error_cb)(rd_kafka_t *rk, int code, const char *reason, void *opaque));
void kw_rk_set(rd_kafka_conf_t *conf, const char *name, const char *value);
void kw_rk_set_int(rd_kafka_conf_t *conf, const char *name, int value);
enum kw_rc kw_rk_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret, struct kw_err *err);
enum kw_rc kw_rk_fail(rd_kafka_resp_err_t code, const char *what, struct kw_err *err);
void kw_rk_message(const rd_kafka_message_t *m, struct kw_message *ret);
bool kw_rk_lost(int code);
