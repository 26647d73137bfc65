#include "bus/rk.h"
rd_kafka_conf_t *kw_rk_conf(const char *brokers, const char *client_id, void *opaque, void (*error_cb)(rd_kafka_t *rk, int code, const char *reason, void *opaque))
{
	rd_kafka_conf_t *conf = kw_conf_new(brokers, client_id, NULL);
	rd_kafka_conf_set_opaque(conf, opaque);
	if (error_cb) rd_kafka_conf_set_error_cb(conf, error_cb);
	return conf;
}
void kw_rk_set(rd_kafka_conf_t *conf, const char *name, const char *value) { kw_conf_set(conf, name, value); }
void kw_rk_set_int(rd_kafka_conf_t *conf, const char *name, int value) { kw_conf_set_int(conf, name, value); }
enum kw_rc kw_rk_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret, struct kw_err *err) { return kw_client_open(type, conf, ret, err); }
enum kw_rc kw_rk_fail(rd_kafka_resp_err_t code, const char *what, struct kw_err *err)
{
	if (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
		return kw_fail_code(err, KW_CONFLICT, "OFFSET_OUT_OF_RANGE", "%s", what);
	return kw_bus_fail(err, code, "%s: %s", what, rd_kafka_err2str(code));
}
void kw_rk_message(const rd_kafka_message_t *m, struct kw_message *ret) { kw_message_of((rd_kafka_message_t *)(uintptr_t)m, NULL, ret); }
bool kw_rk_lost(int code)
{
	return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
	       code == RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER || code == RD_KAFKA_RESP_ERR__FATAL;
}
