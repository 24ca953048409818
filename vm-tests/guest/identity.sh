#!/bin/sh
# A node's name, addresses and peers, from the kernel's command line:
# hapkg.node=NAME hapkg.link=MAC,ADDRESS/PREFIX[,GATEWAY]... hapkg.host=NAME,ADDRESS...
set -eu
# Once a disk: what the administrator changes afterwards stays.
[ ! -e /var/lib/hapkg-identity ] || exit 0
name=
hosts='127.0.0.1 localhost
'
mkdir -p /etc/systemd/network
number=0
read -r line </proc/cmdline
set -f
for word in $line; do
    value=${word#*=}
    case $word in
    hapkg.node=*) name=$value ;;
    hapkg.host=*) hosts="$hosts${value#*,} ${value%%,*}
" ;;
    hapkg.link=*)
        number=$((number + 1))
        address=${value#*,}
        gateway=
        case $address in
        *,*)
            gateway="Gateway=${address#*,}"
            address=${address%,*}
            ;;
        esac
        # Online once it is configured, with or without a carrier: a cluster's
        # link may be down at boot, and corosync waits for network-online.target.
        cat >"/etc/systemd/network/10-link$number.network" <<END
[Match]
MACAddress=${value%%,*}

[Link]
RequiredForOnline=no-carrier

[Network]
Address=$address
$gateway
ConfigureWithoutCarrier=yes
LinkLocalAddressing=no
IPv6AcceptRA=no
LLDP=no
END
        ;;
    esac
done
[ -n "$name" ] || exit 0
echo "$name" >/etc/hostname
hostname "$name"
case $hosts in
*" $name
"*) ;;
*) hosts="${hosts}127.0.1.1 $name
" ;;
esac
printf '%s' "$hosts" >/etc/hosts
: >/var/lib/hapkg-identity
