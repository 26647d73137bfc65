# Tests of common/http.
kw_test(http_crypto unit SOURCES http_crypto_test.c USES kw_http)
kw_test(http_signature unit SOURCES http_signature_test.c USES kw_http)
kw_test(http_route unit SOURCES http_route_test.c USES kw_http)
kw_test(http_server unit SOURCES http_server_test.c http_peer.c USES kw_http)
kw_test(http_framing unit SOURCES http_framing_test.c http_peer.c USES kw_http)
kw_test(http_limits unit SOURCES http_limits_test.c http_peer.c USES kw_http)
kw_test(http_deferred unit SOURCES http_deferred_test.c http_peer.c USES kw_http)
kw_test(http_client unit SOURCES http_client_test.c USES kw_http)
