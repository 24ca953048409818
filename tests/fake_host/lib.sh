# shellcheck shell=sh disable=SC2034
# Sourced by every fake program. All state lies below $fake:
#   log            each call: program and arguments, one line
#   stdin/PROGRAM  what the last call of some programs read
#   canned/KEY     answers a call instead of the program. KEY is the program and
#                  its first arguments joined by dots (`/` is `_`); the longest
#                  one wins. First line: exit code; the rest is printed.
#   units/NAME     the unit exists; enabled/NAME and active/NAME
#   corosync.conf  what corosync runs with; nothing when it does not run
#   cluster/       shared by the nodes of one cluster (may be a symbolic link):
#     online/NAME  corosync runs on NAME and reaches the others
#     cib.xml      the CIB
root=${UBUNTU_HA_ROOT:?}
fake=$root/run/fake
cluster=$fake/cluster
me=${UBUNTU_HA_TRIAL_NAME:-alpha}
program=${0##*/}
PATH=/usr/sbin:/usr/bin:/sbin:/bin

printf '%s\n' "$program${*:+ $*}" >>"$fake/log"

answer_canned() {
    key=$program
    found=
    [ -f "$fake/canned/$key" ] && found=$fake/canned/$key
    for word in "$@"; do
        key=$key.$(printf %s "$word" | tr / _)
        [ -f "$fake/canned/$key" ] && found=$fake/canned/$key
    done
    [ -n "$found" ] || return 0
    read -r code <"$found"
    if [ "$code" -eq 0 ]; then sed 1d "$found"; else sed 1d "$found" >&2; fi
    exit "$code"
}
answer_canned "$@"

is_active() { [ -e "$fake/active/$1" ]; }

# Of a corosync.conf: "ID NAME ADDRESS…", one node a line.
nodes() {
    awk '
        $1 == "node" && $2 == "{" { inside = 1; id = ""; name = "-"; rings = ""; next }
        inside && $1 == "}" { print id, name rings; inside = 0; next }
        inside && $1 == "nodeid:" { id = $2 }
        inside && $1 == "name:" { name = $2 }
        inside && $1 ~ /^ring[0-9]+_addr:$/ { rings = rings " " $2 }
    ' "$1"
}

# The nodes of the running configuration that are members.
members() {
    nodes "$fake/corosync.conf" | while read -r id name rest; do
        if [ "$name" = - ] || [ -e "$cluster/online/$name" ]; then
            echo "$id $name $rest"
        fi
    done
}

expected() { nodes "$fake/corosync.conf" | wc -l; }

# With two_node both must have been seen once (wait_for_all), then one is enough.
quorate() {
    have=$(members | wc -l)
    want=$(expected)
    if grep -q '^[[:space:]]*two_node: 1' "$fake/corosync.conf"; then
        [ "$have" -eq "$want" ] && : >"$fake/seen-all"
        [ -e "$fake/seen-all" ]
    else
        [ "$have" -gt $((want / 2)) ]
    fi
}

need_corosync() {
    is_active corosync && return 0
    echo "Cannot initialize CMAP service" >&2
    exit 1
}

need_pacemaker() {
    is_active pacemaker && return 0
    echo "$program: Connection to cluster failed: Connection refused" >&2
    exit 102
}

# Name of the designated controller: the online member with the lowest id.
dc() { members | sort -n | awk 'NR == 1 { print $2 }'; }
