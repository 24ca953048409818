# Makes a chroot with a kernel a disk's content; run inside it as root, after
# the files of this directory were put to /usr/local/lib/hapkg.
set -eu
rm -f /usr/sbin/policy-rc.d /etc/apt/apt.conf.d/99mmdebstrap /etc/resolv.conf
: >/etc/resolv.conf
echo '/dev/vda / ext4 defaults 0 0' >/etc/fstab
echo localhost >/etc/hostname
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /etc/ssh/ssh_host_*
passwd -d root >/dev/null
# apt knows no mirror: what is not here cannot be downloaded by accident.
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/* /var/cache/apt/*.bin
apt-get clean

mv /usr/local/lib/hapkg/*.service /etc/systemd/system/
systemctl -q enable hapkg-shell.service hapkg-identity.service systemd-networkd.service
# Ubuntu's pacemaker brings pcs: its daemon takes half a boot in emulation, and
# whoever wants it may start it.
for unit in pcsd.service pcsd-ruby.service; do
    [ ! -e "/usr/lib/systemd/system/$unit" ] || systemctl -q disable "$unit"
done
# A node has sbd from when its packages are installed on; here it would start at
# the boot before that, with its package's own settings, whose watchdog of 5 s
# resets an emulated machine while apt works. apply enables it.
for unit in sbd.service sbd_remote.service; do
    [ ! -e "/usr/lib/systemd/system/$unit" ] || systemctl -q disable "$unit"
done
# What runs by itself and would disturb a measurement, and what takes its time of
# every boot without a role, a daemon or a trial that needs it.
for unit in apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service \
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer logrotate.timer \
    man-db.timer motd-news.timer motd-news.service xfs_scrub_all.timer ua-timer.timer \
    systemd-timesyncd.service systemd-resolved.service \
    systemd-hwdb-update.service systemd-tpm2-setup.service systemd-tpm2-setup-early.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service ldconfig.service getty@tty1.service \
    serial-getty@ttyS0.service modprobe@efi_pstore.service dracut-shutdown.service \
    modprobe@drm.service modprobe@fuse.service sys-fs-fuse-connections.mount \
    systemd-repart.service systemd-binfmt.service \
    snapd.service snapd.socket apport.service multipathd.service multipathd.socket; do
    ln -sf /dev/null "/etc/systemd/system/$unit"
done
# Ubuntu denies watchdog drivers by a list that only modprobe by name passes.
mkdir -p /etc/systemd/system/hapkg-identity.service.d
printf '[Service]\nExecStartPre=-/sbin/modprobe i6300esb\n' \
    >/etc/systemd/system/hapkg-identity.service.d/watchdog.conf

release=$(printf '%s\n' /lib/modules/* | sort -V | tail -n 1)
release=${release##*/}
mkdir -p /boot/hapkg
cp "/boot/vmlinuz-$release" /boot/hapkg/vmlinuz
built_in() {
    for name; do
        grep -q "/$name\\.ko\$" "/lib/modules/$release/modules.builtin" || return 1
    done
}
# One that is not needed costs every boot seconds: udev runs twice.
if ! built_in virtio_pci virtio_blk ext4 && command -v mkinitramfs >/dev/null; then
    # The smallest that finds the disk: each megabyte costs under emulation.
    cp -a /etc/initramfs-tools /tmp/initramfs
    sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=gzip/' /tmp/initramfs/initramfs.conf
    printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic crc32c >>/tmp/initramfs/modules
    mkinitramfs -d /tmp/initramfs -o /tmp/initrd "$release"
    # Without its compression: the kernel would unpack it in emulation.
    if gzip -t /tmp/initrd 2>/dev/null; then
        gzip -dc /tmp/initrd >/boot/hapkg/initrd
    else
        mv /tmp/initrd /boot/hapkg/initrd
    fi
    rm -rf /tmp/initramfs /tmp/initrd
fi
rm -f /boot/initrd.img* /boot/vmlinuz* /boot/System.map* /initrd.img* /vmlinuz*
# ConditionNeedsUpdate= compares with /usr.
touch -d '2 minutes ago' /usr
touch /etc/.updated /var/.updated
