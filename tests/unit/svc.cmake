# Tests of common/svc.
kw_test(svc_config unit SOURCES svc_config_test.c USES kw_svc)
kw_test(svc_metrics unit SOURCES svc_metrics_test.c USES kw_svc)
kw_test(svc_partners unit SOURCES svc_partners_test.c USES kw_svc)
