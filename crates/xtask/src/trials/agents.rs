//! The resource agents with the suite's own resource-agents, against the stub
//! of Eucalyptus.

use hapkg::chroot::Network;

use crate::bases;
use crate::case::Case;
use crate::stop::Stop;
use crate::stub;

/// ocf-tester and a life of each agent, all parameters being the defaults. One
/// script: whatever it starts ends with it.
const SCRIPT: &str = r#"
ip link set lo up
agents=/usr/lib/ocf/resource.d/ubuntu
modes=/etc/eucalyptus-stub

for agent in eucacc eucaclc eucasc eucawalrus; do
    ocf-tester -n "$agent" "$agents/$agent"
done

export OCF_ROOT=/usr/lib/ocf OCF_RESKEY_CRM_meta_timeout=60000 OCF_RESKEY_CRM_meta_interval=20000

# Usage: expect CODE AGENT ACTION [DEPTH]
expect() {
    code=0
    OCF_CHECK_LEVEL=${4:-0} OCF_RESOURCE_INSTANCE=$2 "$agents/$2" "$3" || code=$?
    if [ "$code" -ne "$1" ]; then
        echo "$2 $3 ${4:-}: $code instead of $1"
        exit 1
    fi
}

for agent in eucacc eucaclc eucasc eucawalrus; do
    echo "$agent"
    expect 7 "$agent" monitor
    echo 3 >"$modes/slow"
    touch "$modes/lie"
    expect 0 "$agent" start
    for depth in 0 10 20; do
        expect 0 "$agent" monitor "$depth"
    done
    expect 0 "$agent" stop
    expect 7 "$agent" monitor
    rm "$modes/slow" "$modes/lie"

    expect 0 "$agent" start
    touch "$modes/crash"
    sleep 1
    expect 7 "$agent" monitor
    rm "$modes/crash"
    expect 0 "$agent" stop
    expect 3 "$agent" promote
done
# This script's own text is no match.
if pgrep -f 'eucalyptus-stu[b] eucalyptus-c'; then
    exit 1
fi
"#;

/// The agents as the package installs them; nothing starts by itself, and
/// ocf-tester is content with all four.
pub fn ocf_tester(case: &Case) -> Result<(), Stop> {
    let base = bases::agents(case.world, case.suite, &|line| case.note(line))?;
    let debs = case.world.scratch.join(format!("stub-{}", case.suite.name));
    let deb = stub::build(&debs)?;
    let name = deb.file_name().unwrap_or_default().to_string_lossy();
    case.on(&base, Network::Off, |machine| {
        machine.bind(&debs, "/srv/stub")?;
        machine.apt(&format!(
            "install ubuntu-ha-resource-agents /srv/stub/{name}"
        ))?;
        super::answers::nothing_started(machine)?;
        let text = machine.sh(SCRIPT)?;
        match text.matches("passed all tests").count() {
            4 => Ok(()),
            count => Err(Stop::failed(format!(
                "ocf-tester is content with {count} of 4 agents:\n{text}"
            ))),
        }
    })
}
