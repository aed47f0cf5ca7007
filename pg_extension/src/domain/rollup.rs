//! Which buckets of the rollups are to be made, and which of them answer a question. It must not know how they are stored.

use std::collections::BTreeSet;

use super::instant::{DAY_US, HOUR_US, Instant, MINUTE_US};

/// The length of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution {
    Minute,
    Hour,
    Day,
}

/// From a time up to, and without, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// How far one resolution has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermark {
    /// Buckets before this are there; None before the first roll-up.
    pub(crate) rolled_until: Option<Instant>,
    /// What buckets before this are made of has been removed.
    pub(crate) source_gone_until: Instant,
}

impl Resolution {
    /// From the finest to the coarsest, each made of the one before.
    pub(crate) const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The word in `metric_rollups.resolution`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The length of a bucket in microseconds.
    pub(crate) fn step_us(self) -> i64 {
        match self {
            Self::Minute => MINUTE_US,
            Self::Hour => HOUR_US,
            Self::Day => DAY_US,
        }
    }
}

impl Span {
    /// The span when there is anything in it.
    pub(crate) fn new(from: Instant, to: Instant) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    /// How many buckets it takes.
    pub(crate) fn buckets(self, resolution: Resolution) -> i64 {
        (self.to.ceil(resolution.step_us()).0 - self.from.floor(resolution.step_us()).0)
            / resolution.step_us()
    }

    /// The part of it before a time.
    pub(crate) fn before(self, limit: Instant) -> Option<Self> {
        Self::new(self.from, self.to.min(limit))
    }

    /// Each bucket that it touches.
    pub(crate) fn touched(self, resolution: Resolution) -> impl Iterator<Item = Instant> {
        let step = resolution.step_us();
        let first = self.from.floor(step);
        (0..self.buckets(resolution)).map(move |number| first.plus(number * step))
    }
}

/// Buckets joined to as few spans as possible.
pub(crate) fn join(buckets: &BTreeSet<Instant>, resolution: Resolution) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for bucket in buckets {
        let end = bucket.plus(resolution.step_us());
        match spans.last_mut() {
            Some(last) if last.to == *bucket => last.to = end,
            _ => spans.push(Span { from: *bucket, to: end }),
        }
    }
    spans
}

/// Buckets that changed below a watermark, split into those to be made anew and the number of those that cannot be.
pub(crate) fn remake(
    changed: impl Iterator<Item = Instant>,
    watermark: Watermark,
) -> (BTreeSet<Instant>, usize) {
    let rolled_until = watermark.rolled_until.unwrap_or(Instant(i64::MIN));
    let below = changed.filter(|bucket| *bucket < rolled_until).collect::<BTreeSet<_>>();
    let (gone, there): (BTreeSet<_>, BTreeSet<_>) =
        below.into_iter().partition(|bucket| *bucket < watermark.source_gone_until);
    (there, gone.len())
}

/// Where the answer for a span is read: from rollups, the coarsest that fit, and from the measurements at its ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    pub(crate) rollups: Vec<(Resolution, Span)>,
    pub(crate) raw: Vec<Span>,
}

impl Sources {
    /// For buckets of `step_us` in `span`, when the resolutions have come as far as `rolled_until` says, in the order of
    /// [`Resolution::ALL`].
    pub(crate) fn of(span: Span, step_us: i64, rolled_until: [Option<Instant>; 3]) -> Self {
        let mut sources = Self::default();
        sources.cover(span, step_us, rolled_until, Resolution::ALL.len());
        // A span has two ends, unless a finer resolution were behind a coarser one, which somebody would have to have done.
        if sources.raw.len() > 2 {
            return Self { rollups: Vec::new(), raw: vec![span] };
        }
        sources
    }

    /// Covers the span with the coarsest of the first `finest` resolutions that divides the step, and its ends with finer ones.
    fn cover(&mut self, span: Span, step_us: i64, rolled: [Option<Instant>; 3], candidates: usize) {
        for index in (0..candidates).rev() {
            let resolution = Resolution::ALL[index];
            let length = resolution.step_us();
            let rolled_until = rolled[index].unwrap_or(Instant(i64::MIN));
            let (from, to) = (span.from.ceil(length), span.to.floor(length).min(rolled_until));
            if step_us % length != 0 || from >= to {
                continue;
            }
            let ends = [Span::new(span.from, from), Span::new(to, span.to)];
            self.rollups.push((resolution, Span { from, to }));
            ends.into_iter().flatten().for_each(|end| self.cover(end, step_us, rolled, index));
            return;
        }
        self.raw.push(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: fn(i64) -> Instant = |minutes| Instant(minutes * MINUTE_US);

    fn span(from: i64, to: i64) -> Span {
        Span { from: T(from), to: T(to) }
    }

    #[test]
    fn neighbouring_buckets_become_one_span() {
        let buckets = BTreeSet::from([T(1), T(2), T(3), T(7)]);
        assert_eq!(join(&buckets, Resolution::Minute), [span(1, 4), span(7, 8)]);
        assert!(join(&BTreeSet::new(), Resolution::Minute).is_empty());
    }

    #[test]
    fn a_span_touches_the_buckets_that_it_cuts() {
        let hours: Vec<_> = span(59, 121).touched(Resolution::Hour).collect();
        assert_eq!(hours, [T(0), T(60), T(120)]);
        assert_eq!(span(60, 120).buckets(Resolution::Hour), 1);
    }

    #[test]
    fn only_what_is_below_the_watermark_and_not_gone_is_made_anew() {
        let watermark = Watermark { rolled_until: Some(T(10)), source_gone_until: T(3) };
        let (there, gone) = remake([T(1), T(2), T(3), T(9), T(10)].into_iter(), watermark);
        assert_eq!((there, gone), (BTreeSet::from([T(3), T(9)]), 2));
    }

    #[test]
    fn the_middle_is_read_from_the_coarsest_rollups_and_the_ends_from_finer_ones() {
        let day = 24 * 60;
        let rolled = [Some(T(3 * day + 125)), Some(T(3 * day + 120)), Some(T(3 * day))];
        let sources = Sources::of(
            Span { from: Instant(T(day + 58).0 + 1), to: T(3 * day + 130) },
            DAY_US,
            rolled,
        );
        assert_eq!(
            sources.rollups,
            [
                (Resolution::Day, span(2 * day, 3 * day)),
                (Resolution::Hour, span(day + 60, 2 * day)),
                (Resolution::Minute, span(day + 59, day + 60)),
                (Resolution::Hour, span(3 * day, 3 * day + 120)),
                (Resolution::Minute, span(3 * day + 120, 3 * day + 125)),
            ]
        );
        let head = Span { from: Instant(T(day + 58).0 + 1), to: T(day + 59) };
        assert_eq!(sources.raw, [head, span(3 * day + 125, 3 * day + 130)]);
    }

    #[test]
    fn a_step_that_no_resolution_divides_is_read_from_the_measurements() {
        let rolled = [Some(T(1000)); 3];
        let seconds = Sources::of(span(0, 10), MINUTE_US / 2, rolled);
        assert_eq!((seconds.rollups.len(), seconds.raw), (0, vec![span(0, 10)]));
        let ninety_minutes = Sources::of(span(0, 180), 90 * MINUTE_US, rolled);
        assert_eq!(ninety_minutes.rollups, [(Resolution::Minute, span(0, 180))]);
        let before_the_first = Sources::of(span(0, 180), HOUR_US, [None; 3]);
        assert_eq!(before_the_first.raw, [span(0, 180)]);
    }
}
