/* What all bus parts share: records and their headers, the partition of a key, the cluster's id. */
#include <string.h>

#include "bus/impl.h"
#include "core/id.h"

#define CLIENT_ID "karwan"

static size_t n_kept(const struct kw_message *m)
{
	return m->n_headers < KW_HEADERS_MAX ? m->n_headers : KW_HEADERS_MAX;
}

/* The last one of that name, as Kafka's own clients do. */
struct kw_bytes kw_message_header(const struct kw_message *m, const char *name)
{
	for (size_t i = n_kept(m); i > 0; i--)
		if (strcmp(m->headers[i - 1].name, name) == 0)
			return m->headers[i - 1].value;
	return (struct kw_bytes) { NULL, 0 };
}

/* The length is hashed too, so that bytes cannot move from one part to the next unseen. */
static uint64_t hash_part(struct kw_bytes part, uint64_t seed)
{
	uint64_t n = part.p ? part.n : UINT64_MAX;

	seed = kw_hash64(&n, sizeof(n), seed);
	return part.n ? kw_hash64(part.p, part.n, seed) : seed;
}

uint64_t kw_message_hash(const struct kw_message *m)
{
	uint64_t n = m->n_headers;
	uint64_t h = hash_part(m->value, hash_part(m->key, 0));

	h = kw_hash64(&n, sizeof(n), h);
	for (size_t i = 0; i < n_kept(m); i++) {
		const struct kw_header *header = &m->headers[i];
		struct kw_bytes name = { header->name, strlen(header->name) };

		h = hash_part(header->value, hash_part(name, h));
	}
	return h;
}

/* org.apache.kafka.common.utils.Utils.murmur2: MurmurHash2 with this seed. */
static uint32_t murmur2(const uint8_t *p, size_t n)
{
	const uint32_t m = 0x5bd1e995, seed = 0x9747b28c;
	uint32_t h = seed ^ (uint32_t)n;

	for (; n >= 4; p += 4, n -= 4) {
		uint32_t k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
			     (uint32_t)p[3] << 24;

		k *= m;
		k ^= k >> 24;
		h = h * m ^ k * m;
	}
	if (n >= 3)
		h ^= (uint32_t)p[2] << 16;
	if (n >= 2)
		h ^= (uint32_t)p[1] << 8;
	if (n >= 1)
		h = (h ^ p[0]) * m;
	h ^= h >> 13;
	h *= m;
	return h ^ h >> 15;
}

int32_t kw_partition_of(struct kw_bytes key, int32_t count)
{
	kw_assert(key.p && key.n > 0 && count > 0);
	return (int32_t)(murmur2(key.p, key.n) & 0x7fffffff) % count;
}

void kw_message_of(rd_kafka_message_t *m, const char *topic, struct kw_message *ret)
{
	rd_kafka_timestamp_type_t type;
	rd_kafka_headers_t *headers;
	int64_t ms = rd_kafka_message_timestamp(m, &type);
	size_t n = 0;

	/* the headers beyond n_headers stay as they are: clearing them all costs more than the rest
	 */
	ret->topic = topic ? topic : rd_kafka_topic_name(m->rkt);
	ret->partition = m->partition;
	ret->offset = m->offset;
	ret->time = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0 ? 0 : ms * 1000;
	ret->key = (struct kw_bytes) { m->key, m->key_len };
	ret->value = (struct kw_bytes) { m->payload, m->len };
	if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
		struct kw_header at;

		while (rd_kafka_header_get_all(headers, n, &at.name, &at.value.p, &at.value.n) ==
			RD_KAFKA_RESP_ERR_NO_ERROR) {
			if (n < KW_HEADERS_MAX)
				ret->headers[n] = at;
			n++;
		}
	}
	ret->n_headers = n;
}

enum kw_rc kw_bus_cluster_id(
	const char *brokers, int timeout_ms, char *out, size_t size, struct kw_err *err)
{
	KW_CLEANUP(kw_client_donep) rd_kafka_t *rk = NULL;
	char *id;
	size_t n;

	KW_TRY(kw_client_ask(brokers, CLIENT_ID, &rk, err));
	id = rd_kafka_clusterid(rk, timeout_ms);
	if (!id)
		return kw_fail_code(err, KW_RETRY, "_TIMED_OUT",
			"no Kafka broker told the cluster's id within %d ms", timeout_ms);
	n = strlen(id);
	kw_assert(n < size);
	memcpy(out, id, n + 1);
	rd_kafka_mem_free(rk, id);
	return KW_OK;
}
