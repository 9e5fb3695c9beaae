"""The words that generated queries are made of. What stands first is tried when one is made smaller."""

POINTWISE = (
    *("abs", "ceil", "floor", "round", "exp", "sqrt", "ln", "log2", "log10", "sgn", "deg", "rad", "timestamp"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
)
DATES = ("day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year")
WINDOWED = (
    *("rate", "increase", "delta", "irate", "idelta", "changes", "resets", "deriv"),
    *("avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time", "last_over_time"),
    *("present_over_time", "stddev_over_time", "stdvar_over_time", "mad_over_time", "absent_over_time"),
    *("ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time"),
)
NEW_WINDOWED = ("first_over_time", "ts_of_first_over_time")
AGGREGATIONS = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
CHOOSING = ("topk", "bottomk", "limitk")
ARITHMETIC = ("+", "-", "*", "/", "%", "^", "atan2")
COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
SETS = ("and", "or", "unless")
SELECTORS = (
    "temperature",
    "requests_total",
    "errors_total",
    "latency_bucket",
    'requests_total{code="200"}',
    'requests_total{code!="200"}',
    'errors_total{code="500"}',
    'temperature{instance=~"a|b"}',
    'temperature{instance!~"a.*"}',
    '{__name__=~".+_total"}',
    '{__name__=~".+_total",code="200"}',
    '{__name__=~"temperature|requests_total",instance="a"}',
    '{"odd.name"}',
    '{"odd.name","odd label"=~"x.*"}',
    'requests_total{nothing=""}',
    "nothing",
    'temperature{instance="nowhere"}',
    "target_info",
)
GROUPINGS = (
    *("", "", "by (instance)", "by (job)", "by (code)", "by (instance, code)", "by (__name__)", "by (nothing)"),
    *("by ()", "without (instance)", "without (code)", "without ()", "without (le)", "by (instance, le)"),
)
MATCHINGS = (
    *("", "", "on (instance)", "on (instance, code)", "on (job)", "on ()", "ignoring (code)", "ignoring (instance)"),
    *("ignoring ()", "ignoring (code, le)", "on (instance, job, code)"),
)
GROUPS = ("", "", "group_left", "group_right", "group_left (code)", "group_right (code)", "group_left (version)")
NUMBERS = (
    *("0", "1", "2", "-1", "0.5", "10", "100", "3.7", "NaN", "Inf", "-Inf", "1e300", "1e-300", "-0", "0x1F", "5m"),
    *("0.1", "-2.5"),
)
SHARES = ("0.5", "0", "1", "0.9", "0.25", "1.5", "-1", "NaN")
