//! The shared disk of sbd is made once, before sbd is started.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use super::preflight::sbd_disk;
use crate::cluster::Desired;
use crate::node::host::Host;
use crate::node::journal::Journal;
use crate::node::layout::reading;
use crate::node::problem::Failure;

const PATIENCE: Duration = Duration::from_secs(60);

/// How much of the disk must be zero for it to count as blank: more than any
/// signature's place but those at the end.
const LOOKED_AT: u64 = 1 << 20;

/// Makes sbd's header on a blank disk; the lowest node does, the others wait.
///
/// # Errors
/// The disk holds something else, or the header does not appear in time.
pub fn prepare(
    host: &Host,
    journal: &mut Journal,
    desired: &Desired,
    me: u32,
    limit: Duration,
) -> Result<(), Failure> {
    let Some(disk) = sbd_disk(desired) else {
        return Ok(());
    };
    let lowest = desired.members.iter().map(|member| member.id).min();
    let start = Instant::now();
    loop {
        if host.run("sbd", &["-d", &disk, "dump"], PATIENCE)?.success {
            return Ok(());
        }
        if lowest == Some(me) {
            if !is_blank(host, &disk)? {
                return Err(Failure::failed(
                    format!("sbd_device: {disk} is no disk of sbd, and it is not blank"),
                    "name another disk, or wipe this one if nothing needs it".into(),
                ));
            }
            journal.point("making the header of sbd");
            host.must("sbd", &["-d", &disk, "create"], PATIENCE)?;
        } else if start.elapsed() >= limit {
            return Err(Failure::failed(
                format!("after {} s {disk} has no header of sbd", limit.as_secs()),
                "run `ubuntu-ha apply` on the first node too".into(),
            ));
        }
        host.pause();
    }
}

fn is_blank(host: &Host, disk: &str) -> Result<bool, Failure> {
    let path = host.layout.path(disk);
    let mut data = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(LOOKED_AT).read_to_end(&mut data))
        .map_err(|e| reading(&path, &e))?;
    Ok(!data.is_empty() && data.iter().all(|&byte| byte == 0))
}
