//! The shell against guests made up for the purpose.

use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, SystemTime};

use super::frame::{Frame, Parser};
use super::{Error, Shell};

const SECOND: Duration = Duration::from_secs(1);

/// A guest whose answer to each request `reply` makes.
fn guest(reply: impl Fn(&Frame) -> Option<Frame> + Send + 'static) -> (Shell, UnixStream) {
    use std::io::{Read, Write};
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let other = theirs.try_clone().unwrap();
    thread::spawn(move || {
        let mut parser = Parser::default();
        let mut chunk = [0; 4096];
        while let Ok(count) = theirs.read(&mut chunk)
            && count > 0
        {
            parser.add(&chunk[..count]);
            while let Some(frame) = parser.next() {
                if let Some(answer) = reply(&frame) {
                    theirs.write_all(&answer.encoded()).unwrap();
                }
            }
        }
    });
    let shell = Shell::new("alpha", 1.0);
    shell.attach(ours).unwrap();
    (shell, other)
}

#[test]
fn a_command_has_a_status_and_two_streams() {
    let (shell, _port) = guest(|frame| {
        assert_eq!(frame.fields[0], b"1000");
        assert_eq!(frame.fields[2], b"true");
        Some(Frame::new(frame.id, b'r', &[b"3", b"0", b"out\n", b"err"]))
    });
    let output = shell.run(&["true"], SECOND).unwrap();
    assert_eq!((output.status, output.success()), (3, false));
    assert_eq!(
        (output.text(), output.errors()),
        ("out".into(), "err".into())
    );
}

#[test]
fn a_killed_command_is_a_timeout_and_a_refusal_the_guests() {
    let (shell, _port) = guest(|frame| {
        Some(match frame.kind {
            b'x' => Frame::new(frame.id, b'r', &[b"143", b"1", b"", b""]),
            _ => Frame::new(frame.id, b'e', &[b"/x: No such file or directory\n"]),
        })
    });
    assert!(matches!(
        shell.run(&["sleep", "9"], SECOND),
        Err(Error::Timeout(_))
    ));
    assert_eq!(
        shell.pull("/x"),
        Err(Error::Guest("alpha: /x: No such file or directory".into()))
    );
}

#[test]
fn a_new_boot_answers_no_old_request() {
    let (shell, _port) =
        guest(|frame| (frame.kind == b'x').then(|| Frame::new(0, b'h', &[b"other"])));
    let error = shell.run(&["reboot"], SECOND).unwrap_err();
    assert_eq!(error, Error::Off("alpha booted anew meanwhile".into()));
}

#[test]
fn a_machine_is_up_from_its_first_word_to_its_reset() {
    let (received, commands) = std::sync::mpsc::channel();
    let (shell, _port) = guest(move |frame| match frame.kind {
        b'p' => Some(Frame::new(frame.id, b'r', &[b"id", b"1.0"])),
        _ => {
            received.send(()).unwrap();
            None
        }
    });
    assert!(!shell.is_up());
    let before = SystemTime::now();
    shell.ping(SECOND).unwrap();
    shell.was_reset(before);
    assert!(shell.is_up(), "it was heard after that reset");
    let asking = shell.clone();
    let asked = thread::spawn(move || asking.run(&["reboot"], 60 * SECOND));
    commands.recv().unwrap();
    shell.was_reset(SystemTime::now());
    assert!(!shell.is_up());
    let error = asked.join().unwrap().unwrap_err();
    assert_eq!(error, Error::Off("alpha booted anew meanwhile".into()));
    shell.ping(SECOND).unwrap();
    assert!(shell.is_up());
}

#[test]
fn a_machine_without_power_has_no_shell() {
    let shell = Shell::new("alpha", 1.0);
    assert!(matches!(shell.ping(SECOND), Err(Error::Off(_))));
    let (shell, port) = guest(|_| None);
    let asking = shell.clone();
    let asked = thread::spawn(move || asking.ping(60 * SECOND));
    thread::sleep(Duration::from_millis(20));
    port.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(matches!(asked.join().unwrap(), Err(Error::Off(_))));
    assert!(matches!(shell.wait(60 * SECOND), Err(Error::Off(_))));
}

#[test]
fn a_file_goes_in_pieces_and_comes_back() {
    use std::sync::{Arc, Mutex};
    let stored = Arc::new(Mutex::new(Vec::new()));
    let inside = Arc::clone(&stored);
    let (shell, _port) = guest(move |frame| {
        let mut file = inside.lock().unwrap();
        if frame.kind == b'w' {
            assert_eq!(frame.fields[1], b"640");
            if frame.fields[2].is_empty() {
                file.clear();
            }
            file.extend_from_slice(&frame.fields[3]);
            return Some(Frame::new(frame.id, b'r', &[]));
        }
        let from: usize = super::number(&frame.fields[1]).unwrap();
        let to = (from + super::CHUNK).min(file.len());
        let end: &[u8] = if to - from < super::CHUNK { b"1" } else { b"0" };
        Some(Frame::new(frame.id, b'r', &[&file[from..to], end]))
    });
    let data: Vec<u8> = (0..2_500_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    shell.push(&data, "/x", 0o640).unwrap();
    assert_eq!(*stored.lock().unwrap(), data);
    assert_eq!(shell.pull("/x").unwrap(), data);
}

#[test]
fn patience_is_stretched_by_the_accelerators_scale() {
    let (shell, _port) = guest(|_| None);
    let slow = Shell::new("beta", 3.0);
    assert_eq!(shell.stretched(SECOND), SECOND);
    assert_eq!(slow.stretched(SECOND), 3 * SECOND);
}
