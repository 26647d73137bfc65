# Tests of common/svc.
kw_test(svc_config unit SOURCES svc_config_test.c USES kw_svc)
kw_test(svc_metrics unit SOURCES svc_metrics_test.c USES kw_svc)
kw_test(svc_partners unit SOURCES svc_partners_test.c USES kw_svc)
kw_test(svc_run servers SOURCES svc_run_test.c svc_toy.c svc_toy_service.c
  USES kw_svc kt_support TIMEOUT 600)
