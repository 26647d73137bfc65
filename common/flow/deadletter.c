typedef int kw_empty_unit;
