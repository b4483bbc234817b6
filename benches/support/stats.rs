//! Medians and other quantiles.

/// Numbers, in order.
pub struct Sample(Vec<f64>);

impl Sample {
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Sample {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Sample(sorted)
    }

    /// The value that this share of the numbers does not exceed; NaN without numbers.
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        self.0.get((share * last).round() as usize).copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub fn p95(&self) -> f64 {
        self.quantile(0.95)
    }

    pub fn max(&self) -> f64 {
        self.quantile(1.0)
    }
}
