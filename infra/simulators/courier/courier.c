/* Starting and stopping of the courier simulator. */
#include "courier.h"

#include <stdlib.h>

#include "impl.h"
#include "json/json.h"

struct courier_options courier_defaults(void)
{
	return (struct courier_options) {
		.name = "courier",
		.listen = "127.0.0.1:0",
		.seed = 1,
		.hang_ms = 15000,
		.step_ms = 300,
		.delay_ms = 2000,
	};
}

enum kw_rc courier_start(
	const struct courier_options *options, struct courier **ret, struct kw_err *err)
{
	struct courier *c = calloc(1, sizeof(*c));
	enum kw_rc rc;

	kw_assert(c != NULL);
	c->options = *options;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_condattr_destroy(&attr);
	kw_json_init();
	struct kw_server_config config = {
		.listen = options->listen,
		.routes = courier_routes,
		.authenticate = courier_authenticate,
		.clock = &kw_clock_system,
		.ctx = c,
		.per_address_max = 1024,
	};
	rc = kw_server_start(&config, &c->server, err);
	if (rc != KW_OK) {
		pthread_cond_destroy(&c->wake);
		pthread_mutex_destroy(&c->lock);
		free(c);
		return rc;
	}
	c->client = kw_client_new(true);
	kw_assert(pthread_create(&c->teller, NULL, courier_tell, c) == 0);
	*ret = c;
	return KW_OK;
}

int courier_port(const struct courier *c)
{
	return kw_server_port(c->server);
}

void courier_stats(struct courier *c, struct courier_stats *ret)
{
	pthread_mutex_lock(&c->lock);
	*ret = c->stats;
	ret->waiting = (int64_t)c->n_heap;
	pthread_mutex_unlock(&c->lock);
}

void courier_stop(struct courier *c)
{
	if (!c)
		return;
	kw_server_drain(c->server);
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->teller, NULL);
	kw_server_stop(c->server);
	kw_client_free(c->client);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct booking *b = c->buckets[i], *next; b; b = next) {
			next = b->next;
			free(b);
		}
	free(c->heap);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
