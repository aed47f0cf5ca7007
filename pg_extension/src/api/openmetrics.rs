//! `openmetrics`.

use pgrx::{default, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::openmetrics::Exposition;
use crate::domain::vocabulary::SECTIONS;
use crate::store::{OrRaise, exposition};

/// The present figures of the named sections as OpenMetrics text, for Prometheus and what reads its format.
#[pg_extern(stable, parallel_safe)]
fn openmetrics(
    p_include: default!(Option<Vec<Option<String>>>, "'{tasks,workflows,metrics,integrations,pg}'"),
) -> String {
    let argument = Argument("p_include");
    let all = || SECTIONS.words().iter().map(|word| Some((*word).to_owned())).collect();
    let mut exposition = Exposition::default();
    for section in p_include.unwrap_or_else(all) {
        let section = argument.required(section).and_then(|word| SECTIONS.pick(argument, &word));
        exposition::samples(section.or_raise())
            .into_iter()
            .for_each(|sample| exposition.add(sample));
    }
    exposition.render()
}
