# Tests of common/bus: on librdkafka's mock cluster (unit) and on Apache Kafka (servers).
kw_test(bus_record unit SOURCES bus_record_test.c vectors.c USES kw_bus)
kw_test(bus_producer unit SOURCES bus_producer_test.c bus_testing.c USES kw_bus THIRD PkgConfig::RDKAFKA)
