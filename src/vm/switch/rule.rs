//! What happens to frames on their way from one port to another.

use std::time::Duration;

/// The share of frames that never arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// 0 to 100.
    pub percent: f64,
    /// The same seed loses the same frames, counted from the rule's start.
    pub seed: u64,
}

/// The state of one direction between two ports.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    pub blocked: bool,
    pub delay: Duration,
    pub(super) loss: Option<(f64, Random)>,
}

/// What to do with one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Forward,
    Block,
    Lose,
    Hold(Duration),
}

impl Rule {
    pub fn lose(&mut self, loss: Loss) {
        self.loss = (loss.percent > 0.0).then(|| (loss.percent / 100.0, Random(loss.seed)));
    }

    /// Judges the next frame; one draw of the dice for each that is not blocked.
    pub fn judge(&mut self) -> Verdict {
        if self.blocked {
            return Verdict::Block;
        }
        if let Some((share, random)) = &mut self.loss
            && random.unit() < *share
        {
            return Verdict::Lose;
        }
        if self.delay.is_zero() {
            Verdict::Forward
        } else {
            Verdict::Hold(self.delay)
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// From 0 up to, not including, 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(percent: f64, seed: u64) -> Vec<usize> {
        let mut rule = Rule::default();
        rule.lose(Loss { percent, seed });
        (0..1000)
            .filter(|_| rule.judge() == Verdict::Lose)
            .collect()
    }

    #[test]
    fn a_seed_loses_the_same_frames_again() {
        assert_eq!(lost(30.0, 7), lost(30.0, 7));
        assert_ne!(lost(30.0, 7), lost(30.0, 8));
    }

    #[test]
    fn the_share_is_the_one_asked_for() {
        assert!(lost(0.0, 1).is_empty());
        assert_eq!(lost(100.0, 1).len(), 1000);
        assert!((250..350).contains(&lost(30.0, 1).len()));
    }

    #[test]
    fn a_block_goes_before_loss_and_delay() {
        let mut rule = Rule {
            blocked: true,
            delay: Duration::from_millis(5),
            ..Rule::default()
        };
        rule.lose(Loss {
            percent: 100.0,
            seed: 1,
        });
        assert_eq!(rule.judge(), Verdict::Block);
        rule.blocked = false;
        assert_eq!(rule.judge(), Verdict::Lose);
        rule.lose(Loss {
            percent: 0.0,
            seed: 1,
        });
        assert_eq!(rule.judge(), Verdict::Hold(Duration::from_millis(5)));
    }
}
