//! A quantile sketch with a relative error, and its bytes: DDSketch (Masson, Rim and Lee, PVLDB 12(12), 2019). Values are
//! counted in bins whose bounds grow by a constant factor, so that sketches of parts add up to the sketch of the whole. It must
//! not know where values come from.

use crate::error::DomainError;

/// Counts of values, by magnitude and sign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sketch {
    zeros: u64,
    negative: Bins,
    positive: Bins,
}

/// Counts of consecutive bins; bin `i` holds the values above `GROWTH^(i-1)` up to `GROWTH^i`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Bins {
    first: i32,
    counts: Vec<u64>,
}

/// The greatest relative error of a quantile.
pub(crate) const RELATIVE_ERROR: f64 = 0.01;

/// The ratio of the bounds of a bin: `(1 + e) / (1 - e)`.
const GROWTH: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);

/// What is closer to zero counts as zero.
const MAGNITUDE_MIN: f64 = 1e-300;

/// How many bins there may be for each sign: values 35 orders of magnitude apart. When there were more, the values closest
/// to zero share a bin, and quantiles among them lose their bound.
const BINS_MAX: usize = 4096;

/// No double has its bin further out: `ln(f64::MAX) / ln(GROWTH)` is 35,489.
const BIN_NUMBER_MAX: i32 = 36_000;

/// The first byte of the format, of which this is the only one.
const VERSION: u8 = 1;

impl Sketch {
    /// Counts a value.
    ///
    /// # Errors
    /// 22023 for NaN and the infinities.
    pub(crate) fn add(&mut self, value: f64) -> Result<(), DomainError> {
        if !value.is_finite() {
            return Err(DomainError::NotFinite);
        }
        if value.abs() < MAGNITUDE_MIN {
            self.zeros = self.zeros.saturating_add(1);
        } else if value > 0.0 {
            self.positive.add(bin_of(value), 1);
        } else {
            self.negative.add(bin_of(-value), 1);
        }
        Ok(())
    }

    /// Counts the values of another sketch.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.positive.merge(&other.positive);
        self.negative.merge(&other.negative);
    }

    /// How many values were counted.
    pub(crate) fn count(&self) -> u64 {
        self.zeros.saturating_add(self.negative.total()).saturating_add(self.positive.total())
    }

    /// The quantile `share`, between 0 and 1, as `percentile_cont` defines it: interpolated between the two values around
    /// its rank. None of no values.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        let rank = share * count.checked_sub(1)? as f64;
        let (low, high) = (self.value_at(rank.floor()), self.value_at(rank.ceil()));
        Some(low + (high - low) * rank.fract())
    }

    /// The estimate of the value with this rank, counted from zero in ascending order.
    fn value_at(&self, rank: f64) -> f64 {
        let mut left = rank;
        let negative = self.negative.iter().rev().map(|(bin, count)| (-estimate(bin), count));
        let zeros = std::iter::once((0.0, self.zeros));
        let positive = self.positive.iter().map(|(bin, count)| (estimate(bin), count));
        let mut last = 0.0;
        for (value, count) in negative.chain(zeros).chain(positive).filter(|(_, count)| *count > 0)
        {
            if left < count as f64 {
                return value;
            }
            left -= count as f64;
            last = value;
        }
        last
    }

    /// The sketch as bytes, the same for the same values in any order as long as no bins had to be joined.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        put(&mut bytes, self.zeros);
        self.negative.encode(&mut bytes);
        self.positive.encode(&mut bytes);
        bytes
    }

    /// The sketch that was encoded.
    ///
    /// # Errors
    /// 22023 when the bytes are none.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DomainError> {
        Self::read(bytes).ok_or(DomainError::NotASketch)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[VERSION])?;
        let zeros = take(&mut rest)?;
        let negative = Bins::read(&mut rest)?;
        let positive = Bins::read(&mut rest)?;
        rest.is_empty().then_some(Self { zeros, negative, positive })
    }
}

impl Bins {
    fn add(&mut self, bin: i32, count: u64) {
        if self.counts.is_empty() {
            self.first = bin;
        }
        let place = self.make_room(bin);
        self.counts[place] = self.counts[place].saturating_add(count);
    }

    /// The place of a bin, which is made if need be.
    fn make_room(&mut self, bin: i32) -> usize {
        if bin < self.first {
            let room = BINS_MAX - self.counts.len();
            let wanted = (self.first - bin) as usize;
            let grown = wanted.min(room);
            self.counts.splice(0..0, std::iter::repeat_n(0, grown));
            self.first -= grown as i32;
            return 0;
        }
        let place = (bin - self.first) as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        place - self.join_lowest()
    }

    /// Joins the lowest bins until there are no more than [`BINS_MAX`], and returns how many went.
    fn join_lowest(&mut self) -> usize {
        let excess = self.counts.len().saturating_sub(BINS_MAX);
        if excess > 0 {
            let joined = self.counts.drain(..excess).fold(0, u64::saturating_add);
            self.counts[0] = self.counts[0].saturating_add(joined);
            self.first += excess as i32;
        }
        excess
    }

    fn merge(&mut self, other: &Self) {
        other.iter().filter(|(_, count)| *count > 0).for_each(|(bin, count)| self.add(bin, count));
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = (i32, u64)> + '_ {
        let first = self.first;
        self.counts.iter().enumerate().map(move |(place, count)| (first + place as i32, *count))
    }

    fn total(&self) -> u64 {
        self.counts.iter().fold(0, |total, count| total.saturating_add(*count))
    }

    /// The number of bins that are not empty, then for each how far it is from the one before, and its count.
    fn encode(&self, bytes: &mut Vec<u8>) {
        let filled: Vec<_> = self.iter().filter(|(_, count)| *count > 0).collect();
        put(bytes, filled.len() as u64);
        let mut previous = -BIN_NUMBER_MAX;
        for (bin, count) in filled {
            put(bytes, (bin - previous) as u64);
            put(bytes, count);
            previous = bin;
        }
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let len = take(rest)?;
        let (mut bins, mut bin) = (Self::default(), -BIN_NUMBER_MAX);
        for _ in 0..len {
            bin = bin.checked_add(i32::try_from(take(rest)?).ok()?)?;
            let count = take(rest)?;
            if bin > BIN_NUMBER_MAX || count == 0 {
                return None;
            }
            bins.add(bin, count);
        }
        Some(bins)
    }
}

fn bin_of(magnitude: f64) -> i32 {
    (magnitude.ln() / GROWTH.ln()).ceil() as i32
}

/// The value whose relative distance from both bounds of the bin is the same.
fn estimate(bin: i32) -> f64 {
    2.0 * (f64::from(bin) * GROWTH.ln()).exp() / (1.0 + GROWTH)
}

/// An unsigned number in groups of seven bits, the lowest first (LEB128).
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        let bits = u64::from(byte & 0x7F);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch_of(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.add(*value).unwrap());
        sketch
    }

    /// `percentile_cont` of sorted values.
    fn exact(sorted: &[f64], share: f64) -> f64 {
        let rank = share * (sorted.len() - 1) as f64;
        let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
        low + (high - low) * rank.fract()
    }

    /// Numbers over many orders of magnitude, from a fixed seed.
    fn spread(count: usize) -> Vec<f64> {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as f64 / 2_f64.powi(31)
        };
        (0..count).map(|_| 10_f64.powf(next() * 12.0 - 4.0)).collect()
    }

    #[test]
    fn every_quantile_is_within_the_relative_error() {
        for values in
            [spread(5_000), (1..=1000).map(f64::from).collect(), vec![3.5], vec![1.0, 2.0]]
        {
            let sketch = sketch_of(&values);
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            for percent in 0..=100 {
                let share = f64::from(percent) / 100.0;
                let (found, exact) = (sketch.quantile(share).unwrap(), exact(&sorted, share));
                let error = (found - exact).abs() / exact;
                assert!(error <= RELATIVE_ERROR * 1.000_001, "p{percent}: {found} for {exact}");
            }
        }
    }

    #[test]
    fn negative_numbers_and_zero_are_ordered() {
        let sketch = sketch_of(&[-100.0, -1.0, 0.0, 1e-301, 1.0]);
        let near = |share, value: f64| {
            let found = sketch.quantile(share).unwrap();
            assert!((found - value).abs() <= value.abs() * 0.0101, "{found} for {value}");
        };
        near(0.0, -100.0);
        near(0.25, -1.0);
        near(0.5, 0.0);
        near(0.75, 0.0);
        near(1.0, 1.0);
    }

    #[test]
    fn parts_add_up_to_the_whole_whatever_their_order() {
        let values = spread(3_000);
        let whole = sketch_of(&values).encode();
        let mut merged = Sketch::default();
        for part in values.rchunks(7) {
            merged.merge(&Sketch::decode(&sketch_of(part).encode()).unwrap());
        }
        assert_eq!(merged.encode(), whole);
        assert_eq!(merged.count(), 3_000);
    }

    #[test]
    fn a_sketch_stays_small_and_keeps_its_upper_quantiles() {
        let values: Vec<_> = (-290..290).map(|power| 10_f64.powi(power)).collect();
        for values in [values.clone(), values.iter().rev().copied().collect()] {
            let sketch = sketch_of(&values);
            assert!(sketch.positive.counts.len() <= BINS_MAX);
            assert_eq!(sketch.count(), 580);
            let (found, exact) = (sketch.quantile(1.0).unwrap(), 1e289);
            assert!((found / exact - 1.0).abs() <= 0.0101, "{found}");
        }
    }

    #[test]
    fn a_minute_of_seconds_takes_little_room() {
        let values: Vec<_> = (0..60).map(|second| 20.0 + f64::from(second % 13)).collect();
        assert!(sketch_of(&values).encode().len() < 60);
    }

    #[test]
    fn bytes_that_are_no_sketch_are_refused() {
        let good = sketch_of(&[1.0, -2.0, 0.0]).encode();
        assert!(Sketch::decode(&good).is_ok());
        for cut in 0..good.len() {
            assert!(Sketch::decode(&good[..cut]).is_err(), "cut at {cut}");
        }
        let mut longer = good.clone();
        longer.push(0);
        let endless = [vec![VERSION, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], vec![1, 1]].concat();
        let far = [vec![VERSION, 0, 1], vec![0xFF, 0xFF, 0x7F, 1, 0]].concat();
        let empty_bin = vec![VERSION, 0, 1, 5, 0, 0];
        for bytes in [longer, vec![], vec![2, 0, 0, 0], endless, far, empty_bin] {
            assert_eq!(Sketch::decode(&bytes).unwrap_err().sqlstate(), "22023", "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        let mut sketch = Sketch::default();
        assert_eq!(sketch.add(f64::NAN).unwrap_err().sqlstate(), "22023");
        assert_eq!(sketch.add(f64::NEG_INFINITY).unwrap_err().sqlstate(), "22023");
        assert_eq!(sketch.quantile(0.5), None);
    }
}
