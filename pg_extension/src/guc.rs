//! The settings of the extension. Those that decide what is kept can be set by a superuser alone: an ordinary user must not
//! be able to change what rollups mean. It must not know who reads them.

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

/// How many series a metric's name may have before further labels share one.
pub(crate) static METRIC_SERIES_MAX: GucSetting<i32> = GucSetting::<i32>::new(1000);

/// Defines the settings. Runs when the library is loaded.
pub(crate) fn define() {
    GucRegistry::define_int_guc(
        c"taskmaster.metric_series_max",
        c"How many combinations of labels a metric may have in the rollups.",
        c"Those that come later are summed up in one series, whose tags are {\"overflow\": \"true\"}.",
        &METRIC_SERIES_MAX,
        1,
        1_000_000,
        GucContext::Suset,
        GucFlags::default(),
    );
}
