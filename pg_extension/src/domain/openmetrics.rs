//! OpenMetrics 1.0 as text (https://prometheus.io/docs/specs/om/open_metrics_spec/): families, their samples, and names that
//! the format allows. It must not know where figures come from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// The name, as its reporter spells it; what the format does not allow is replaced.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) unit: Option<String>,
    pub(crate) help: String,
    pub(crate) labels: Map<String, Value>,
    /// Of a summary, which quantile it is.
    pub(crate) quantile: Option<f64>,
    pub(crate) value: f64,
}

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Gauge,
    Counter,
    Summary,
}

/// An exposition in the making. Families and their samples come out in the order of their names.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    families: BTreeMap<String, Family>,
}

#[derive(Debug)]
struct Family {
    kind: Kind,
    unit: Option<String>,
    help: String,
    /// Values by their name and labels as text. A figure that comes twice is told once.
    samples: BTreeMap<String, f64>,
}

/// Ends of names that belong to samples of some kind of family, and are therefore not free for families.
const RESERVED: [&str; 8] =
    ["_total", "_created", "_bucket", "_count", "_sum", "_info", "_gcount", "_gsum"];

impl Kind {
    /// The kind of a metric's type.
    pub(crate) fn of_metric(metric_type: &str) -> Self {
        match metric_type {
            "counter" => Self::Counter,
            "timer" | "histogram" => Self::Summary,
            _ => Self::Gauge,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Summary => "summary",
        }
    }
}

impl Exposition {
    /// Adds a figure. A counter below zero is none, and left out.
    pub(crate) fn add(&mut self, sample: Sample) {
        if sample.kind == Kind::Counter && (sample.value < 0.0 || sample.value.is_nan()) {
            return;
        }
        let unit = sample.unit.as_deref().and_then(unit_name);
        let name = self.family_name(&sample, unit.as_deref());
        let suffix = if sample.kind == Kind::Counter { "_total" } else { "" };
        let key = format!("{name}{suffix}{}", labels_text(&sample.labels, sample.quantile));
        let (kind, help) = (sample.kind, sample.help);
        let family = self.families.entry(name);
        let family =
            family.or_insert_with(|| Family { kind, unit, help, samples: BTreeMap::new() });
        family.samples.insert(key, sample.value);
    }

    /// The family's name: allowed, ending in its unit, free of what belongs to samples, and not that of a family of another kind.
    fn family_name(&self, sample: &Sample, unit: Option<&str>) -> String {
        let mut name = allowed(&sample.name);
        while let Some(stem) = RESERVED.iter().find_map(|end| name.strip_suffix(end)) {
            let stem = if stem.is_empty() { "value" } else { stem };
            name = if sample.kind == Kind::Counter { stem.into() } else { format!("{stem}_value") };
        }
        if let Some(unit) = unit.filter(|unit| !name.ends_with(&format!("_{unit}"))) {
            name = format!("{name}_{unit}");
        }
        let is_taken =
            |family: &Family| family.kind != sample.kind || family.unit.as_deref() != unit;
        if self.families.get(&name).is_some_and(is_taken) {
            let kind = sample.kind.word();
            name = unit.map_or(format!("{name}_{kind}"), |unit| format!("{name}_{kind}_{unit}"));
        }
        name
    }

    /// The whole text, with its end mark.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for (name, family) in &self.families {
            let (kind, help) = (family.kind.word(), escaped(&family.help));
            // Writing into a String does not fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            if let Some(unit) = &family.unit {
                let _ = writeln!(text, "# UNIT {name} {unit}");
            }
            for (sample, value) in &family.samples {
                let _ = writeln!(text, "{sample} {}", number(*value));
            }
        }
        text + "# EOF\n"
    }
}

/// `{a="b",c="d"}`, or nothing. The quantile comes last, so that the quantiles of one set of labels stand together.
fn labels_text(labels: &Map<String, Value>, quantile: Option<f64>) -> String {
    let mut named = BTreeMap::new();
    for (key, value) in labels {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut name = label_name(key);
        while named.contains_key(&name) {
            name.push('_');
        }
        named.insert(name, escaped(&text));
    }
    let mut pairs: Vec<_> = named.iter().map(|(name, text)| format!("{name}=\"{text}\"")).collect();
    pairs.extend(quantile.map(|quantile| format!("quantile=\"{}\"", number(quantile))));
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

/// A label's name that is allowed, and means nothing special.
fn label_name(key: &str) -> String {
    let name = allowed(key).replace(':', "_");
    if name.starts_with("__") || ["quantile", "le"].contains(&&*name) {
        return format!("tag_{}", name.trim_start_matches('_'));
    }
    name
}

/// Letters, digits, underscores and colons, not beginning with a digit; anything else becomes an underscore.
fn allowed(name: &str) -> String {
    let replace = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | ':' => character,
        _ => '_',
    };
    let name: String = name.chars().map(replace).collect();
    let begins_well = name.starts_with(|first: char| !first.is_ascii_digit());
    if begins_well { name } else { format!("_{name}") }
}

fn unit_name(unit: &str) -> Option<String> {
    let name = if unit.trim() == "%" { "percent".into() } else { allowed(unit.trim()) };
    let name = name.trim_matches('_').replace(':', "_");
    (!name.is_empty()).then_some(name)
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn number(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".into(),
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        _ if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
        _ => format!("{value:e}").replace("e0", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample(name: &str, kind: Kind, labels: Value, value: f64) -> Sample {
        let Value::Object(labels) = labels else { panic!("labels are an object") };
        let (unit, quantile) = (None, None);
        Sample { name: name.into(), kind, unit, help: "h".into(), labels, quantile, value }
    }

    fn rendered(samples: impl IntoIterator<Item = Sample>) -> String {
        let mut exposition = Exposition::default();
        samples.into_iter().for_each(|sample| exposition.add(sample));
        exposition.render()
    }

    #[test]
    fn families_have_help_type_unit_and_an_end() {
        let timer = Sample {
            unit: Some("ms".into()),
            quantile: Some(0.5),
            ..sample("api.latency", Kind::Summary, json!({ "host": "a" }), 1.25)
        };
        let text = rendered([timer, sample("requests_total", Kind::Counter, json!({}), 3.0)]);
        let expected = "# HELP api_latency_ms h\n# TYPE api_latency_ms summary\n# UNIT api_latency_ms ms\n\
                        api_latency_ms{host=\"a\",quantile=\"5e-1\"} 1.25\n\
                        # HELP requests h\n# TYPE requests counter\nrequests_total 3\n# EOF\n";
        assert_eq!(text, expected);
        assert_eq!(rendered([]), "# EOF\n");
    }

    #[test]
    fn labels_are_escaped_and_renamed() {
        let labels = json!({ "a-b": "1\"2\\3\n4", "a.b": [1], "le": true, "9": null });
        let text = rendered([sample("x", Kind::Gauge, labels, 0.0)]);
        let line = text.lines().nth(2).unwrap();
        assert_eq!(line, r#"x{_9="null",a_b="1\"2\\3\n4",a_b_="[1]",tag_le="true"} 0"#);
    }

    #[test]
    fn names_do_not_clash() {
        let text = rendered([
            sample("a_total", Kind::Gauge, json!({}), 1.0),
            sample("a", Kind::Counter, json!({}), 1.0),
            sample("a", Kind::Gauge, json!({}), 1.0),
            sample("a", Kind::Counter, json!({}), 2.0),
            sample("_sum", Kind::Counter, json!({}), 1.0),
            sample("b", Kind::Counter, json!({}), -1.0),
        ]);
        let names: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(names, ["a_total 2", "a_gauge 1", "a_value 1", "value_total 1"]);
    }

    #[test]
    fn numbers_are_those_of_the_format() {
        let cases =
            [(0.5, "5e-1"), (-3.0, "-3"), (1e300, "1e300"), (f64::INFINITY, "+Inf"), (1.5, "1.5")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(f64::NAN), "NaN");
    }
}
