//! The chassis behind a BMC: ipmi_sim runs a script for every look at the
//! power and every change of it, and the script asks us.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::{script_path, write};
use crate::vm::Error;
use crate::vm::machine::Machine;

/// Arguments to the socket as one line, the answer to stdout; the answer
/// `error` is a refusal.
const SCRIPT: &str = r#"use strict;
use warnings;
use IO::Socket::UNIX;
my $path = shift;
my $socket = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!\n";
print $socket join(' ', @ARGV), "\n";
$socket->flush;
my $answer = join '', readline $socket;
exit 1 if $answer eq "error\n";
print $answer;
"#;

/// What a BMC switches.
pub trait Power: Send + Sync {
    fn is_on(&self) -> bool;

    /// # Errors
    /// Whatever keeps it from being done; the BMC refuses then.
    fn on(&self) -> Result<(), Error>;

    /// # Errors
    /// As [`Power::on`].
    fn off(&self) -> Result<(), Error>;

    /// # Errors
    /// As [`Power::on`].
    fn reset(&self) -> Result<(), Error>;

    /// The ACPI button.
    ///
    /// # Errors
    /// As [`Power::on`].
    fn press(&self) -> Result<(), Error>;
}

impl Power for Machine {
    fn is_on(&self) -> bool {
        Machine::is_on(self)
    }

    fn on(&self) -> Result<(), Error> {
        self.power_on()
    }

    fn off(&self) -> Result<(), Error> {
        self.power_off()
    }

    fn reset(&self) -> Result<(), Error> {
        Machine::reset(self)
    }

    fn press(&self) -> Result<(), Error> {
        self.press_power()
    }
}

/// How a BMC treats its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    #[default]
    Honest,
    /// Answers nothing until it behaves otherwise.
    Hang,
    /// Refuses to change the power.
    Refuse,
    /// Says that it was done, shows it as done, and does nothing.
    Lie,
}

/// One order to a chassis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub at: Instant,
    /// As ipmi_sim words it: `set power 0`, `get power`.
    pub words: String,
}

/// Answers the script; ends when dropped.
#[derive(Debug)]
pub struct Control {
    socket: PathBuf,
    state: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    calls: Vec<Call>,
    /// What a liar says the power is.
    claimed: Option<bool>,
    over: bool,
}

impl Control {
    /// Listens in `dir` and leaves the script there.
    pub fn start(dir: &Path, power: Arc<dyn Power>) -> Result<Control, Error> {
        let (socket, perl) = (dir.join("control"), dir.join("chassis.pl"));
        write(&perl, SCRIPT, 0o600)?;
        let launcher = format!(
            "#!/bin/sh\nexec perl '{}' '{}' \"$@\"\n",
            perl.display(),
            socket.display()
        );
        write(&script_path(dir), &launcher, 0o700)?;
        let listener =
            UnixListener::bind(&socket).map_err(|e| Error::io("listening on", &socket, &e))?;
        let state = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.lock().over {
                    break;
                }
                let (shared, power) = (Arc::clone(&shared), Arc::clone(&power));
                // One that hangs must not keep the next from being counted.
                thread::spawn(move || serve(&stream, &shared, power.as_ref()));
            }
        });
        Ok(Control { socket, state })
    }

    pub fn behave(&self, behaviour: Behaviour) {
        let mut state = self.state.lock();
        state.behaviour = behaviour;
        state.claimed = None;
        self.state.changed.notify_all();
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state.lock().calls.clone()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.state.lock().over = true;
        self.state.changed.notify_all();
        // Wakes the listener.
        let _ = UnixStream::connect(&self.socket);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        crate::vm::locked(&self.state)
    }
}

fn serve(mut stream: &UnixStream, shared: &Shared, power: &dyn Power) {
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line).is_err() {
        return;
    }
    let answer = answer(line.trim_end(), shared, power);
    let _ = stream.write_all(answer.as_bytes());
}

/// `ADDRESS get NAME…` or `ADDRESS set NAME VALUE…` (ipmi_lan.5, chassis_control).
fn answer(line: &str, shared: &Shared, power: &dyn Power) -> String {
    let mut words = line.split(' ').skip(1);
    let order = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let mut state = shared.lock();
    state.calls.push(Call {
        at: Instant::now(),
        words: format!("{order} {}", rest.join(" ")),
    });
    while state.behaviour == Behaviour::Hang && !state.over {
        state = shared
            .changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
    }
    let behaviour = state.behaviour;
    if order == "get" {
        let on = state.claimed.unwrap_or_else(|| power.is_on());
        return rest
            .iter()
            .map(|name| format!("{name}:{}\n", u8::from(*name == "power" && on)))
            .collect();
    }
    for pair in rest.chunks(2) {
        let [name, value] = *pair else {
            return "error\n".into();
        };
        let done = match behaviour {
            Behaviour::Refuse | Behaviour::Hang => return "error\n".into(),
            Behaviour::Lie => {
                if name == "power" {
                    state.claimed = Some(value == "1");
                }
                continue;
            }
            Behaviour::Honest => match (name, value) {
                ("power", "1") => power.on(),
                ("power", _) => power.off(),
                ("reset", _) => power.reset(),
                ("shutdown", _) => power.press(),
                _ => Ok(()),
            },
        };
        if done.is_err() {
            return "error\n".into();
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Condvar, Mutex};
    use std::thread;
    use std::time::Duration;

    use super::{Behaviour, Error, Power, Shared, State, answer};

    struct Lamp(AtomicBool);

    impl Power for Lamp {
        fn is_on(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
        fn on(&self) -> Result<(), Error> {
            self.0.store(true, Ordering::SeqCst);
            Ok(())
        }
        fn off(&self) -> Result<(), Error> {
            self.0.store(false, Ordering::SeqCst);
            Ok(())
        }
        fn reset(&self) -> Result<(), Error> {
            Err(Error::Off("no".into()))
        }
        fn press(&self) -> Result<(), Error> {
            Ok(())
        }
    }

    fn shared(behaviour: Behaviour) -> Shared {
        Shared {
            state: Mutex::new(State {
                behaviour,
                ..State::default()
            }),
            changed: Condvar::new(),
        }
    }

    #[test]
    fn an_honest_chassis_does_what_it_says() {
        let (lamp, state) = (Lamp(AtomicBool::new(true)), shared(Behaviour::Honest));
        assert_eq!(answer("0x20 get power", &state, &lamp), "power:1\n");
        assert_eq!(answer("0x20 set power 0", &state, &lamp), "");
        assert_eq!(answer("0x20 get power", &state, &lamp), "power:0\n");
        assert_eq!(answer("0x20 set reset 1", &state, &lamp), "error\n");
        let words: Vec<_> = state.lock().calls.iter().map(|c| c.words.clone()).collect();
        assert_eq!(
            words,
            ["get power", "set power 0", "get power", "set reset 1"]
        );
    }

    #[test]
    fn a_liar_shows_what_it_did_not_do_and_one_that_refuses_says_so() {
        let lamp = Lamp(AtomicBool::new(true));
        let liar = shared(Behaviour::Lie);
        assert_eq!(answer("0x20 set power 0", &liar, &lamp), "");
        assert_eq!(answer("0x20 get power", &liar, &lamp), "power:0\n");
        assert!(lamp.is_on());
        let refusing = shared(Behaviour::Refuse);
        assert_eq!(answer("0x20 set power 0", &refusing, &lamp), "error\n");
        assert_eq!(answer("0x20 get power", &refusing, &lamp), "power:1\n");
    }

    #[test]
    fn one_that_hangs_answers_when_it_recovers() {
        let (lamp, state) = (Lamp(AtomicBool::new(true)), shared(Behaviour::Hang));
        thread::scope(|scope| {
            let asked = scope.spawn(|| answer("0x20 set power 0", &state, &lamp));
            thread::sleep(Duration::from_millis(30));
            assert!(!asked.is_finished());
            assert!(lamp.is_on());
            state.lock().behaviour = Behaviour::Honest;
            state.changed.notify_all();
            assert_eq!(asked.join().unwrap(), "");
        });
        assert!(!lamp.is_on());
    }
}
