use std::io::{Read, Write};

use super::frame::Frame;
use super::*;

/// Long enough for any machine; nothing waits that long when it works.
const PATIENCE: Duration = Duration::from_secs(60);
const EVERYONE: u8 = 0xff;

/// From the host `from` to the host `to`, with a mark to tell it by.
fn frame(from: u8, to: u8, mark: u8) -> Vec<u8> {
    let mut bytes = vec![mark; 60];
    bytes[..6].copy_from_slice(&if to == EVERYONE {
        [EVERYONE; 6]
    } else {
        [2, 0, 0, 0, 0, to]
    });
    bytes[6..12].copy_from_slice(&[2, 0, 0, 0, 0, from]);
    bytes
}

fn three() -> (tempfile::TempDir, Switch, [Attachment; 3]) {
    let dir = tempfile::tempdir().unwrap();
    let mut switch = Switch::new(dir.path()).unwrap();
    let ports = ["a", "b", "c"].map(|name| switch.attach(name).unwrap());
    (dir, switch, ports)
}

fn mark(port: &mut Attachment) -> u8 {
    port.receive(PATIENCE).expect("a frame")[59]
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn unknown_addresses_are_flooded_and_known_ones_are_not() {
    let (_dir, switch, [mut a, mut b, mut c]) = three();
    assert!(a.send(&frame(1, 2, 10)));
    assert_eq!((mark(&mut b), mark(&mut c)), (10, 10));
    assert!(b.send(&frame(2, 1, 11)));
    assert_eq!(mark(&mut a), 11);
    assert!(a.send(&frame(1, 2, 12)));
    assert!(a.send(&frame(1, EVERYONE, 13)));
    assert_eq!((mark(&mut b), mark(&mut b), mark(&mut c)), (12, 13, 13));
    assert_eq!(switch.traffic("b", "c").unwrap(), Traffic::default());
}

#[test]
fn a_block_has_one_direction_and_heals() {
    let (_dir, switch, [mut a, mut b, mut c]) = three();
    switch.block("a", "b").unwrap();
    assert!(a.send(&frame(1, EVERYONE, 20)));
    assert_eq!(mark(&mut c), 20);
    assert!(b.send(&frame(2, 1, 21)));
    assert_eq!(mark(&mut a), 21);
    switch.heal();
    assert!(a.send(&frame(1, 2, 22)));
    assert_eq!(mark(&mut b), 22);
    assert_eq!(switch.traffic("a", "b").unwrap().blocked, 1);
    assert!(switch.block("a", "nobody").is_err());
}

#[test]
fn loss_repeats_with_its_seed() {
    let runs = [7, 7, 8].map(|seed| {
        let (_dir, switch, [mut a, mut b, _c]) = three();
        switch
            .lose(
                "a",
                "b",
                Loss {
                    percent: 40.0,
                    seed,
                },
            )
            .unwrap();
        for mark in 0..100 {
            assert!(a.send(&frame(1, EVERYONE, mark)));
        }
        until("all came in", || switch.received("a").unwrap() == 100);
        let kept = switch.traffic("a", "b").unwrap().forwarded;
        (0..kept).map(|_| mark(&mut b)).collect::<Vec<_>>()
    });
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[test]
fn a_delay_holds_its_direction_until_healed() {
    let (_dir, switch, [mut a, mut b, mut c]) = three();
    switch.delay("a", "b", Duration::from_secs(3600)).unwrap();
    for mark in [30, 31] {
        assert!(a.send(&frame(1, EVERYONE, mark)));
    }
    assert_eq!((mark(&mut c), mark(&mut c)), (30, 31));
    assert!(c.send(&frame(3, EVERYONE, 32)));
    assert_eq!(mark(&mut b), 32);
    switch.heal();
    assert!(a.send(&frame(1, 2, 33)));
    assert_eq!([mark(&mut b), mark(&mut b), mark(&mut b)], [30, 31, 33]);
}

#[test]
fn a_short_delay_is_never_shorter() {
    let (_dir, switch, [mut a, mut b, _c]) = three();
    let delay = Duration::from_millis(40);
    switch.delay("a", "b", delay).unwrap();
    let sent = Instant::now();
    assert!(a.send(&frame(1, EVERYONE, 40)));
    assert_eq!(mark(&mut b), 40);
    assert!(sent.elapsed() >= delay);
}

#[test]
fn a_port_that_does_not_read_stalls_nobody() {
    let (_dir, switch, [mut a, mut b, _deaf]) = three();
    let mut sent = 0;
    until("the deaf port's queue is full", || {
        assert!(a.send(&frame(1, EVERYONE, 50)));
        sent += 1;
        assert_eq!(mark(&mut b), 50);
        switch.traffic("a", "c").unwrap().overflowed > 100
    });
    assert_eq!(switch.traffic("a", "b").unwrap().forwarded, sent);
}

#[test]
fn a_machine_leaves_and_comes_back_and_the_socket_goes_with_the_switch() {
    let (_dir, mut switch, [mut a, _b, _c]) = three();
    let socket = switch.port("machine").unwrap();
    assert!(switch.port("machine").is_err());
    for round in [60, 61] {
        let mut machine = UnixStream::connect(&socket).unwrap();
        machine.set_read_timeout(Some(PATIENCE)).unwrap();
        machine
            .write_all(Frame::new(&frame(9, 1, round)).wire())
            .unwrap();
        assert_eq!(mark(&mut a), round);
        assert!(a.send(&frame(1, 9, round)));
        let mut got = vec![0; 64];
        machine.read_exact(&mut got).unwrap();
        assert_eq!(got, Frame::new(&frame(1, 9, round)).wire());
        drop(machine);
        until("the switch saw it go", || {
            !switch.is_connected("machine").unwrap()
        });
    }
    let mut garbler = UnixStream::connect(&socket).unwrap();
    garbler.write_all(&[EVERYONE; 8]).unwrap();
    assert_eq!(
        garbler.read(&mut [0; 8]).unwrap_or(0),
        0,
        "it was hung up on"
    );
    drop(switch);
    assert!(!socket.exists());
    a.receive(PATIENCE);
    assert!(!a.is_open());
}

#[test]
fn a_capture_reads_back() {
    let (dir, switch, [mut a, mut b, _c]) = three();
    let path = dir.path().join("all.pcap");
    switch.capture(&path).unwrap();
    for mark_sent in [70, 71] {
        assert!(a.send(&frame(1, EVERYONE, mark_sent)));
        assert_eq!(mark(&mut b), mark_sent);
    }
    switch.stop_capture().unwrap();
    assert!(a.send(&frame(1, EVERYONE, 72)));
    assert_eq!(mark(&mut b), 72);
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes[..8], [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0]);
    assert_eq!(bytes[20..24], [1, 0, 0, 0]);
    let records: Vec<_> = bytes[24..].chunks(16 + 60).collect();
    assert_eq!(records.len(), 2);
    for (record, mark_sent) in records.iter().zip([70, 71]) {
        assert_eq!(record[8..16], [60, 0, 0, 0, 60, 0, 0, 0]);
        assert_eq!(record[16..], frame(1, EVERYONE, mark_sent));
    }
}
