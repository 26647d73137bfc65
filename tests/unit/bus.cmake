# Tests of common/bus: on librdkafka's mock cluster (unit) and on Apache Kafka (servers).
kw_test(bus_record unit SOURCES bus_record_test.c vectors.c USES kw_bus)
kw_test(bus_producer unit SOURCES bus_producer_test.c bus_testing.c USES kw_bus THIRD PkgConfig::RDKAFKA COST 25)
kw_test(bus_topics servers SOURCES bus_topics_test.c bus_testing.c USES kw_bus kt_support THIRD PkgConfig::RDKAFKA)
kw_test(bus_reader servers SOURCES bus_reader_test.c bus_testing.c USES kw_bus kt_support THIRD PkgConfig::RDKAFKA)
kw_test(bus_consumer servers SOURCES bus_consumer_test.c bus_testing.c USES kw_bus kt_support THIRD PkgConfig::RDKAFKA)
kw_test(bus_broker servers SOURCES bus_broker_test.c bus_testing.c USES kw_bus kt_support kw_test_proxy COST 40)
