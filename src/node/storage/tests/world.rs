//! Two nodes of one cluster, with programs that act as the real ones do on
//! files that both nodes see. `wipefs`, `cp`, `mkfs.ext4` and `sync` are real.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::super::super::host::Host;
use super::super::super::layout::Layout;
use crate::recipe::compiled::CompiledRole;

/// A block of metadata as DRBD 8.4 ends a disk with; the UUID is the device's.
pub fn write_drbd_metadata(path: &Path, uuid: u64) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    let size = file.seek(SeekFrom::End(0)).unwrap();
    let mut block = vec![0u8; 4096];
    block[..8].copy_from_slice(&(size / 512).to_be_bytes());
    block[40..48].copy_from_slice(&uuid.to_be_bytes());
    block[60..64].copy_from_slice(&0x8374_026b_u32.to_be_bytes());
    file.seek(SeekFrom::Start(size - 4096)).unwrap();
    file.write_all(&block).unwrap();
}

/// The role `drbd` as the package would install it.
pub fn compiled_role() -> String {
    let role: CompiledRole = CompiledRole::from_toml(
        r#"
        [role]
        name = "drbd"
        summary = "S"
        version = "1.0"

        [[drbd]]
        id = "data"
        device = "{{ device }}"
        minor = 2
        port = 7788
        erase = "erase"
        "#,
    )
    .unwrap();
    role.to_toml()
}

/// The cluster, below one directory.
pub struct World {
    pub dir: tempfile::TempDir,
}

/// What a script starts with: `$W` is what both nodes see, `$ME` the node.
const HEAD: &str = "#!/bin/sh\n\
    W=@WORLD@\n\
    R=$UBUNTU_HA_ROOT\n\
    ME=$(cat \"$R/name\")\n\
    OTHER=$(cat \"$R/other\")\n\
    echo \"$ME ${0##*/} $*\" >>\"$W/log\"\n\
    fail() { echo \"$*\" >&2; exit 1; }\n\
    lock() { exec 9>\"$W/lock\"; flock 9; }\n";

/// Shows both nodes what /proc/drbd would show them.
const RENDER: &str = r#"
get() { cat "$W/drbd/$1/$2" 2>/dev/null || echo none; }
put() { echo "$3" >"$W/drbd/$1/$2"; }
one() {
    me=$1 peer=$2
    {
        echo "version: 8.4.11 (api:1/proto:86-101)"
        if [ "$(get "$me" up)" != yes ]; then
            :
        elif [ "$(get "$peer" up)" = yes ]; then
            echo " 2: cs:Connected ro:$(get "$me" role)/$(get "$peer" role) ds:$(get "$me" disk)/$(get "$peer" disk) C r-----"
        else
            echo " 2: cs:WFConnection ro:$(get "$me" role)/Unknown ds:$(get "$me" disk)/DUnknown C r-----"
        fi
    } >"$W/$me.proc"
    mv "$W/$me.proc" "$W/$me/proc/drbd"
}
render() { one alpha beta; one beta alpha; }
"#;

const DRBDADM: &str = r#"
lock
case "$1" in
create-md)
    [ "$(get "$ME" md)" = none ] || fail "You want me to create a v08 style block: there is data"
    put "$ME" md fresh
    if [ "$(get "$ME" up)" != yes ]; then
        put "$ME" disk Inconsistent
        put "$ME" role Secondary
    fi
    printf '\203\164\002\153' | dd of="$R/dev/vdb" bs=1 seek=$(($(stat -c %s "$R/dev/vdb") - 4036)) conv=notrunc status=none
    ;;
up)
    [ "$(get "$ME" md)" != none ] || fail "no metadata"
    [ "$(get "$ME" up)" != yes ] || fail "already up"
    put "$ME" up yes ;;
attach)
    [ "$(get "$ME" up) $(get "$ME" md) $(get "$ME" disk)" = "yes fresh Diskless" ] || fail "no metadata"
    put "$ME" disk Inconsistent ;;
down)
    [ "$(get "$ME" up)" = yes ] || exit 0
    [ "$(get "$ME" role)" = Secondary ] || fail "State change failed: device is held open by someone"
    [ "$(get "$OTHER" role)" != Primary ] || [ "$(get "$OTHER" up)" != yes ] || fail "the peer would call its fence-peer handler"
    put "$ME" up no ;;
get-gi)
    case "$(get "$ME" md)" in
    fresh) echo "0000000000000004:0000000000000000:0000000000000000:0000000000000000:1:0:1:0:0:0" ;;
    *) echo "$(get "$ME" md):0000000000000000:0000000000000000:0000000000000000:1:1:1:0:0:0" ;;
    esac ;;
--)
    [ "$2 $3" = "--clear-bitmap new-current-uuid" ] || fail "unknown command"
    [ "$(get "$ME" up)$(get "$OTHER" up)" = yesyes ] || fail "not connected"
    [ "$(get "$ME" md)$(get "$OTHER" md)" = freshfresh ] || fail "(152) resource is in use"
    for n in "$ME" "$OTHER"; do put "$n" md 123456789ABCDEF0; put "$n" disk UpToDate; done ;;
primary)
    [ "$(get "$ME" up)" = yes ] || fail "not up"
    [ "$(get "$OTHER" role)" != Primary ] || fail "Multiple primaries not allowed by config"
    [ "$(get "$ME" disk)" = UpToDate ] || fail "Need access to UpToDate data"
    [ "$(get "$OTHER" up)" = yes ] || echo "$ME fence-peer" >>"$W/log"
    put "$ME" role Primary
    # A secondary's device cannot even be opened: EMEDIUMTYPE.
    ln -sf "$W/drbd2" "$R/dev/drbd2" ;;
secondary)
    grep -q '^/dev/drbd2 ' "$R/proc/mounts" && fail "State change failed: (-12) Device is held open by someone"
    put "$ME" role Secondary
    rm -f "$R/dev/drbd2" ;;
*) fail "unknown verb $1" ;;
esac
render
"#;

const ATTRD: &str = r#"
[ -e "$W/killed" ] && exit 102
name=$2
mkdir -p "$W/attr/$name"
case "$3" in
--update)
    echo "$4" >"$W/attr/$name/.$ME" && mv "$W/attr/$name/.$ME" "$W/attr/$name/$ME" ;;
--query)
    for f in "$W/attr/$name"/*; do
        [ -e "$f" ] || exit 78
        echo "name=\"$name\" host=\"${f##*/}\" value=\"$(cat "$f")\""
    done ;;
esac
"#;

const MOUNT: &str = r#"
[ "$(get "$ME" role)" = Primary ] || fail "wrong medium type"
rmdir "$4" || fail "not empty"
mkdir -p "$W/content"
ln -s "$W/content" "$4"
echo "/dev/drbd2 ${4#$R} ext4 rw 0 0" >>"$R/proc/mounts"
"#;

pub const UMOUNT: &str = r#"
rm "$1" && mkdir "$1"
: >"$R/proc/mounts"
"#;

const MKFS: &str = r#"
[ "$(get "$ME" role)" = Primary ] || fail "read-only"
exec /usr/sbin/mkfs.ext4 "$@"
"#;

impl World {
    pub fn new() -> Self {
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let dir = world.dir.path();
        fs::create_dir_all(dir.join("attr")).unwrap();
        fs::write(dir.join("present"), "alpha beta").unwrap();
        let data = fs::File::create(dir.join("drbd2")).unwrap();
        data.set_len(64 << 20).unwrap();
        for (name, other) in [("alpha", "beta"), ("beta", "alpha")] {
            let root = dir.join(name);
            for path in ["usr/sbin", "proc", "dev", "var/lib", "mnt", "etc"] {
                fs::create_dir_all(root.join(path)).unwrap();
            }
            fs::create_dir_all(dir.join("drbd").join(name)).unwrap();
            fs::write(root.join("name"), name).unwrap();
            fs::write(root.join("other"), other).unwrap();
            fs::write(root.join("proc/mounts"), "").unwrap();
            fs::write(root.join("proc/drbd"), "version: 8.4.11 (api:1)\n").unwrap();
            fs::File::create(root.join("dev/vdb"))
                .unwrap()
                .set_len(66 << 20)
                .unwrap();
            symlink("/usr/bin", root.join("usr/bin")).unwrap();
            for program in ["wipefs", "e2fsck"] {
                let real = Path::new("/usr/sbin").join(program);
                symlink(real, root.join("usr/sbin").join(program)).unwrap();
            }
            world.script(name, "drbdadm", &[RENDER, DRBDADM]);
            world.script(name, "attrd_updater", &[ATTRD]);
            world.script(
                name,
                "cibadmin",
                &["grep -qsF \"$3\" \"$W/cib\" || exit 105\n"],
            );
            world.script(name, "crm_node", &["cat \"$W/present\"\n"]);
            world.script(name, "mount", &[RENDER, MOUNT]);
            world.script(name, "umount", &[UMOUNT]);
            world.script(name, "mkfs.ext4", &[RENDER, MKFS]);
        }
        world
    }

    pub fn script(&self, node: &str, program: &str, body: &[&str]) {
        let head = HEAD.replace("@WORLD@", self.dir.path().to_str().unwrap());
        let path = self.root(node).join("usr/sbin").join(program);
        fs::write(&path, format!("{head}{}", body.concat())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn root(&self, node: &str) -> PathBuf {
        self.dir.path().join(node)
    }

    pub fn host(&self, node: &str) -> Host {
        Host::of_test(Layout::new(self.root(node)))
    }

    /// Every program that was run, with its node and arguments.
    pub fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How often a line of the log has this text.
    pub fn count(&self, text: &str) -> usize {
        self.log().iter().filter(|line| line.contains(text)).count()
    }

    /// A value of the fake DRBD: `disk`, `role`, `up`.
    pub fn drbd(&self, node: &str, what: &str) -> String {
        let path = self.dir.path().join("drbd").join(node).join(what);
        fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    }
}
