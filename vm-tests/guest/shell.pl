#!/usr/bin/perl
# Root shell for the tests' driver over a virtio-serial port; perl-base alone.
# A frame: magic, id (N), kind (a), length (N), payload of fields (N/a* each).
use strict;
use warnings;
use Fcntl qw(O_RDWR);
use POSIX ();

use constant MAGIC => "\xf7\x00HAPKG\n";
use constant HEADER => length(MAGIC) + 9;
use constant FRAME_LIMIT => 64 << 20;
use constant OUTPUT_LIMIT => 32 << 20;
use constant LOOK_LIMIT => 1 << 20;
use constant SCRATCH => '/run/hapkg-shell';
# linux/random.h; asm/unistd_64.h.
use constant { RNDADDENTROPY => 0x40085203, RNDRESEEDCRNG => 0x5207, CLOCK_SETTIME => 227 };

my $path = shift // die "usage: shell.pl PORT\n";
my (%running, $port);

# The wall clock may be set by a test; this one may not.
sub now {
    open my $file, '<', '/proc/uptime' or return 0;
    return (split ' ', readline $file)[0];
}

sub send_frame {
    my ($id, $kind, @fields) = @_;
    my $payload = pack '(N/a*)*', @fields;
    my $frame = MAGIC . pack('N a N', $id, $kind, length $payload) . $payload;
    while (length $frame) {
        my $sent = syswrite $port, $frame, 32768;
        if (!defined $sent) {
            next if $!{EINTR};
            return;
        }
        substr $frame, 0, $sent, '';
    }
}

sub scratch {
    my ($id, $end) = @_;
    my $name = SCRATCH . "/$id.$end";
    open my $file, '+>', $name or die "$name: $!\n";
    unlink $name;
    binmode $file;
    return $file;
}

sub slurp {
    my ($file) = @_;
    seek $file, 0, 0;
    my $text;
    read $file, $text, OUTPUT_LIMIT;
    return $text // '';
}

sub run {
    my ($id, $milliseconds, $input, @argv) = @_;
    my ($in, $out, $err) = map { scratch($id, $_) } qw(in out err);
    print $in $input;
    $in->flush;
    seek $in, 0, 0;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::setsid();
        $SIG{CHLD} = 'DEFAULT';
        open STDIN, '<&', $in or POSIX::_exit(126);
        open STDOUT, '>&', $out or POSIX::_exit(126);
        open STDERR, '>&', $err or POSIX::_exit(126);
        # Dup'ed handles share the offset, so daemons may append.
        if (open my $score, '>', '/proc/self/oom_score_adj') { print $score "0\n"; close $score }
        chdir '/root';
        %ENV = (
            PATH => '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
            HOME => '/root', LANG => 'C.UTF-8', USER => 'root', LOGNAME => 'root', SHELL => '/bin/bash',
        );
        no warnings 'exec';
        exec { $argv[0] } @argv;
        syswrite STDERR, "$argv[0]: $!\n";
        POSIX::_exit(127);
    }
    $running{$pid} = { id => $id, out => $out, err => $err, late => 0, end => now() + $milliseconds / 1000 };
}

sub reap {
    while ((my $pid = waitpid -1, POSIX::WNOHANG()) > 0) {
        my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
        my $job = delete $running{$pid} or next;
        send_frame($job->{id}, 'r', $status, $job->{late} ? 1 : 0, slurp($job->{out}), slurp($job->{err}));
    }
}

# TERM at the deadline, KILL from two seconds later.
sub enforce {
    my $now = now();
    for my $pid (keys %running) {
        my $job = $running{$pid};
        next if $now < $job->{end};
        kill $job->{late} ? 'KILL' : 'TERM', -$pid;
        $job->{late} = 1;
        $job->{end} = $now + 2;
    }
}

sub push_file {
    my ($name, $mode, $append, $data) = @_;
    if ($name =~ m{^(/.+)/[^/]+$} && !-d $1) {
        my $dir = '';
        for my $part (split m{/}, substr $1, 1) { $dir .= "/$part"; mkdir $dir, 0755 }
    }
    open my $file, $append ? '>>' : '>', $name or die "$name: $!\n";
    binmode $file;
    print $file $data or die "$name: $!\n";
    close $file or die "$name: $!\n";
    chmod oct $mode, $name or die "$name: $!\n" if length $mode;
}

sub pull_file {
    my ($name, $offset, $size) = @_;
    open my $file, '<', $name or die "$name: $!\n";
    binmode $file;
    seek $file, $offset, 0;
    my $data;
    my $got = read $file, $data, $size;
    defined $got or die "$name: $!\n";
    return ($data, $got < $size ? 1 : 0);
}

# What can be read of each, without a process of its own: this is asked twice a second.
sub read_files {
    return map {
        my $text = '';
        if (open my $file, '<', $_) { binmode $file; read $file, $text, LOOK_LIMIT }
        $text // '';
    } @_;
}

# After a fork of the whole machine: its clock stood, its random state is not its own.
sub resume {
    my ($seconds, $nanoseconds, $seed) = @_;
    open my $random, '+<', '/dev/random' or die "/dev/random: $!\n";
    my $add = pack 'i i a*', 8 * length $seed, length $seed, $seed;
    ioctl $random, RNDADDENTROPY, $add or die "adding entropy: $!\n";
    ioctl $random, RNDRESEEDCRNG, 0 or die "reseeding: $!\n";
    my $time = pack 'q q', $seconds, $nanoseconds;
    syscall(CLOCK_SETTIME, 0, $time) == 0 or die "setting the clock: $!\n";
}

sub boot_id {
    open my $file, '<', '/proc/sys/kernel/random/boot_id' or return '';
    chomp(my $id = readline $file);
    return $id;
}

sub answer {
    my ($id, $kind, @fields) = @_;
    if ($kind eq 'x') { run($id, @fields) }
    elsif ($kind eq 'p') { send_frame($id, 'r', boot_id(), now()) }
    elsif ($kind eq 'w') { push_file(@fields); send_frame($id, 'r') }
    elsif ($kind eq 'g') { send_frame($id, 'r', pull_file(@fields)) }
    elsif ($kind eq 'l') { send_frame($id, 'r', read_files(@fields)) }
    elsif ($kind eq 's') { resume(@fields); send_frame($id, 'r') }
    else { die "unknown request $kind\n" }
}

# What does not start with the magic is the rest of a frame to an earlier boot.
sub frames {
    my ($buffer) = @_;
    while (1) {
        my $at = index $$buffer, MAGIC;
        if ($at < 0) {
            my $keep = length(MAGIC) - 1;
            $$buffer = substr $$buffer, -$keep if length $$buffer > $keep;
            return;
        }
        substr $$buffer, 0, $at, '' if $at;
        return if length $$buffer < HEADER;
        my ($id, $kind, $length) = unpack 'N a N', substr $$buffer, length MAGIC;
        if ($length > FRAME_LIMIT) { substr $$buffer, 0, 1, ''; next }
        return if length $$buffer < HEADER + $length;
        my @fields = unpack '(N/a*)*', substr $$buffer, HEADER, $length;
        substr $$buffer, 0, HEADER + $length, '';
        eval { answer($id, $kind, @fields); 1 } or send_frame($id, 'e', $@);
    }
}

mkdir SCRATCH, 0700;
select undef, undef, undef, 0.1 until -e $path;
sysopen $port, $path, O_RDWR or die "$path: $!\n";
binmode $port;
pipe(my $woken, my $wake) or die "pipe: $!\n";
$_->blocking(0) for $woken, $wake;
$SIG{CHLD} = sub { syswrite $wake, 'c' };
send_frame(0, 'h', boot_id());
my $buffer = '';
while (1) {
    my $ready = '';
    vec($ready, fileno $port, 1) = 1;
    vec($ready, fileno $woken, 1) = 1;
    my $count = select $ready, undef, undef, %running ? 0.5 : undef;
    if ($count > 0 && vec $ready, fileno $port, 1) {
        my $got = sysread $port, $buffer, 1 << 16, length $buffer;
        if ($got) { frames(\$buffer) }
        elsif (defined $got) { select undef, undef, undef, 0.2 }    # nobody at the other end
    }
    sysread $woken, my $signals, 64;
    reap();
    enforce();
}
