//! Things that are made once and used by several threads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::vm::locked;

type Slot<V> = Arc<Mutex<Option<V>>>;

/// Values by key, each made by the first who asks for it.
#[derive(Debug)]
pub struct Memo<K, V>(Mutex<BTreeMap<K, Slot<V>>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Memo(Mutex::default())
    }
}

impl<K: Ord, V: Clone> Memo<K, V> {
    /// The value of that key. Who comes while another makes it waits; where
    /// making it failed, the next one tries again.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get<E>(&self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        let slot = locked(&self.0).entry(key).or_default().clone();
        let mut slot = locked(&slot);
        if let Some(value) = &*slot {
            return Ok(value.clone());
        }
        let value = make()?;
        *slot = Some(value.clone());
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, mpsc};
    use std::thread;
    use std::time::Duration;

    use super::Memo;
    use crate::trial::world::Trouble;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn a_value_is_made_once_and_others_do_not_wait_for_it() {
        let (memo, made) = (Memo::default(), AtomicUsize::new(0));
        let (begun, begins) = mpsc::channel();
        let (other, waits) = mpsc::channel();
        let waits = Mutex::new(waits);
        let slow = || {
            begun.send(()).unwrap();
            let got: Result<(), _> = waits.lock().unwrap().recv_timeout(PATIENCE);
            got.expect("the other value was waited for");
            Ok(made.fetch_add(1, Ordering::Relaxed))
        };
        thread::scope(|scope| {
            let asked: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| memo.get::<Trouble>("one", slow)))
                .collect();
            begins.recv_timeout(PATIENCE).unwrap();
            assert_eq!(memo.get::<Trouble>("other", || Ok(7)), Ok(7));
            other.send(()).unwrap();
            for one in asked {
                assert_eq!(one.join().unwrap(), Ok(0));
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn what_failed_is_tried_again() {
        let memo = Memo::default();
        let no = Trouble::Guest("no".into());
        assert_eq!(memo.get(1, || Err(no.clone())), Err(no.clone()));
        assert_eq!(memo.get::<Trouble>(1, || Ok(3)), Ok(3));
    }
}
