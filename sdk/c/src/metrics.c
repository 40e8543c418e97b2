/* Numbers for the operator. */
#include "internal.h"

static weir_metric_result result(bool is_ok, weir_filter_metrics_metric_error_t error) {
  return is_ok ? WEIR_METRIC_OK : (weir_metric_result)(WEIR_METRIC_INVALID_NAME + error);
}

weir_metric_result weir_counter(const char *name, const char *help, const weir_field *labels, weir_metric *metric) {
  filter_string_t of = weir_lend(name), words = weir_lend(help);
  filter_list_tuple2_string_string_t pairs = weir_lend_fields(labels);
  weir_filter_metrics_metric_error_t error = {0};
  bool is_ok = weir_filter_metrics_counter(&of, &words, &pairs, metric, &error);
  return result(is_ok, error);
}

weir_metric_result weir_gauge(const char *name, const char *help, const weir_field *labels, weir_metric *metric) {
  filter_string_t of = weir_lend(name), words = weir_lend(help);
  filter_list_tuple2_string_string_t pairs = weir_lend_fields(labels);
  weir_filter_metrics_metric_error_t error = {0};
  bool is_ok = weir_filter_metrics_gauge(&of, &words, &pairs, metric, &error);
  return result(is_ok, error);
}

weir_metric_result weir_histogram(const char *name, const char *help, const weir_field *labels, const double *bounds, size_t count,
                                  weir_metric *metric) {
  filter_string_t of = weir_lend(name), words = weir_lend(help);
  filter_list_tuple2_string_string_t pairs = weir_lend_fields(labels);
  filter_list_f64_t limits = {(double *)bounds, count};
  weir_filter_metrics_metric_error_t error = {0};
  bool is_ok = weir_filter_metrics_histogram(&of, &words, &pairs, &limits, metric, &error);
  return result(is_ok, error);
}

void weir_metric_add(weir_metric metric, double by) { weir_filter_metrics_add(metric, by); }

void weir_metric_set(weir_metric metric, double value) { weir_filter_metrics_set(metric, value); }

void weir_metric_observe(weir_metric metric, double value) { weir_filter_metrics_observe(metric, value); }
