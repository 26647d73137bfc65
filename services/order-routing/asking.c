/* Asking channels; see asking.h. */
#include "asking.h"

const struct kw_config_key channels_config[] = {
	KW_INT_KEY(struct channels_config, channel_deadline_ms, "KARWAN_CHANNEL_DEADLINE_MS",
		"5000", 50, 60000, "how long a channel's API may take to answer, in milliseconds"),
	{ 0 },
};

struct asking asking_of(struct kw_svc *svc, struct kw_arena *a)
{
	const struct channels_config *config = kw_svc_config(svc);

	return (struct asking) { .svc = svc,
		.partners = kw_svc_partners(svc),
		.a = a,
		.now = kw_now(kw_svc_flow(svc)->clock),
		.deadline_ms = (int)config->channel_deadline_ms };
}

int asking_lease_ms(const struct asking *q)
{
	return 4 * q->deadline_ms + 20000; /* the broker may take its time, too */
}

const struct order_api *asking_api(const struct kw_partner *channel)
{
	const struct order_adapter *adapter = order_adapter_find(channel->adapter);

	return channel->url && adapter ? adapter->api : NULL;
}

const char *asking_word(const struct kw_err *err)
{
	return err->code[0] ? err->code : "RUBBISH";
}

const char *asking_why(struct kw_arena *a, const struct kw_err *err)
{
	return kw_arena_printf(a, "%s%s%s: %s", asking_word(err), err->pointer[0] ? " " : "",
		err->pointer, err->reason);
}

void asking_append(struct asking *q, const struct told *told, const char *trace)
{
	q->messages[q->n_messages++] = (struct kw_job_message) { told->type, trace,
		{ kw_arena_str(q->a, told->order_id.s), told->order_id, told->data } };
}
