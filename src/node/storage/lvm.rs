//! Volume groups: lvm(8), lvmlockd(8).

use std::time::Duration;

use serde_json::Value;

use super::super::host::Host;
use super::super::problem::Failure;
use super::device::Device;

const LIMIT: Duration = Duration::from_secs(120);

/// A physical volume, in a group or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhysicalVolume {
    pub path: String,
    /// Empty without a group.
    pub group: String,
    /// `dlm`, `sanlock`, `none` or empty.
    pub lock_type: String,
}

/// All physical volumes, read without locks.
///
/// # Errors
/// LVM is missing, or cannot read.
pub fn physical_volumes(host: &Host) -> Result<Vec<PhysicalVolume>, Failure> {
    let args = [
        "--readonly",
        "--shared",
        "--foreign",
        "--reportformat",
        "json",
        "-o",
        "pv_name,vg_name,vg_lock_type",
    ];
    let text = host.must("pvs", &args, LIMIT)?;
    parse(&text, "pv").map(|rows| {
        rows.iter()
            .map(|row| PhysicalVolume {
                path: word(row, "pv_name"),
                group: word(row, "vg_name"),
                lock_type: word(row, "vg_lock_type"),
            })
            .collect()
    })
}

/// Names of the logical volumes of a group.
///
/// # Errors
/// LVM is missing, or cannot read.
pub fn logical_volumes(host: &Host, group: &str) -> Result<Vec<String>, Failure> {
    let args = [
        "--readonly",
        "--shared",
        "--foreign",
        "--reportformat",
        "json",
        "-o",
        "lv_name",
        group,
    ];
    let text = host.must("lvs", &args, LIMIT)?;
    Ok(parse(&text, "lv")?
        .iter()
        .map(|row| word(row, "lv_name"))
        .collect())
}

/// Whether the physical volume lies on the device.
pub fn is(host: &Host, volume: &PhysicalVolume, device: &Device) -> bool {
    let same = |other: Device| other.number == device.number;
    volume.path == device.argument() || Device::find(host, &volume.path).is_ok_and(same)
}

fn parse(text: &str, row: &str) -> Result<Vec<Value>, Failure> {
    let value: Option<Value> = serde_json::from_str(text).ok();
    let rows = value
        .as_ref()
        .and_then(|value| value["report"][0][row].as_array());
    rows.cloned().ok_or_else(|| {
        Failure::environment(
            format!("{row}s --reportformat json printed no report"),
            "look at what it prints".into(),
        )
    })
}

fn word(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}

/// The option of lvcreate(8) for a size: `100%FREE` counts extents.
pub fn size_option(size: &str) -> &'static str {
    if size.contains('%') {
        "--extents"
    } else {
        "--size"
    }
}

/// Runs a command of LVM; with the lock manager where the group is shared,
/// whatever lvm.conf says: pacemaker's agent for lvmlockd edits it later.
///
/// # Errors
/// It failed; without input a question ends it too.
pub fn run(host: &Host, shared: bool, command: &str, args: &[&str]) -> Result<(), Failure> {
    let config = if shared {
        "global/use_lvmlockd=1"
    } else {
        "global/use_lvmlockd=0"
    };
    let mut all = vec!["--config", config];
    all.extend(args);
    host.must(command, &all, LIMIT).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_pvs_is_read() {
        let text = r#"{"report": [{"pv": [
            {"pv_name":"/dev/vdb", "vg_name":"clvm", "vg_lock_type":"dlm"},
            {"pv_name":"/dev/vdc", "vg_name":"", "vg_lock_type":""}]}],
            "log": []}"#;
        let rows = parse(text, "pv").unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(word(&rows[0], "vg_lock_type"), "dlm");
        assert!(parse("  WARNING", "pv").is_err());
    }

    #[test]
    fn percentages_are_extents() {
        assert_eq!(size_option("100%FREE"), "--extents");
        assert_eq!(size_option("10G"), "--size");
    }
}
