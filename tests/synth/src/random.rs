//! Chance, the same on every machine: no system's mathematics, no system's randomness.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Numbers by chance out of a seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// At least 0, less than 1.
    pub(crate) fn unit(&mut self) -> f64 {
        const STEPS: u64 = 1 << f64::MANTISSA_DIGITS;
        (self.0.next_u64() % STEPS) as f64 / STEPS as f64
    }

    /// Less than `end`, the lower the likelier: a unit to the power of 2^`squares` times `end`.
    pub(crate) fn skewed(&mut self, end: u32, squares: u32) -> u32 {
        let unit = (0..squares).fold(self.unit(), |unit, _| unit * unit);
        (unit * f64::from(end)) as u32
    }

    /// Less than `end`, each as likely as the others.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.skewed(end, 0)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u8) -> bool {
        self.below(100) < u32::from(percent)
    }

    /// How long to wait for the next of events that come by chance, this long on the average.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    /// Around a median, with a long tail; `sigma` is the standard deviation of its natural logarithm.
    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        // Box and Muller.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        let normal = radius * libm::cos(std::f64::consts::TAU * self.unit());
        median * libm::exp(sigma * normal)
    }
}
