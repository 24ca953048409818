# Keeps what the writing client sends: usage records.pl PORT
# A line "N" is appended to the file "records" of the filesystem that a role has
# mounted, is brought to the disk, and only then answered "ok N".
use strict;
use warnings;
use Fcntl qw(O_RDWR O_CREAT);
use IO::Socket::INET;
use IO::Handle;

my ($port) = @ARGV;

# On a filesystem that one node mounts at a time and that is not the root's.
sub place {
    open my $mounts, '<', '/proc/mounts' or return;
    my @dirs;
    while (my $line = <$mounts>) {
        my (undef, $dir, $kind) = split ' ', $line;
        push @dirs, $dir if $dir ne '/' && $kind =~ /^(ext4|xfs)$/;
    }
    my ($dir) = sort @dirs or return;
    return "$dir/records";
}

# Appends a line behind the last whole one: a full disk or a crash may have left
# half of one, which the next would become part of.
sub append {
    my ($file, $line) = @_;
    # Opened each time: a file that stays open would hold the mount.
    sysopen my $out, $file, O_RDWR | O_CREAT, 0644 or return;
    my $size = -s $out;
    my $from = $size > 64 ? $size - 64 : 0;
    sysseek $out, $from, 0 or return;
    defined sysread $out, my $tail, 64 or return;
    my $whole = $from + 1 + rindex $tail, "\n";
    truncate $out, $whole or return if $whole < $size;
    sysseek $out, $whole, 0 or return;
    my $put = syswrite $out, $line;
    return 1 if defined $put && $put == length $line && $out->sync && close $out;
    truncate $out, $whole;
    return;
}

my $server = IO::Socket::INET->new(LocalPort => $port, Listen => 8, ReuseAddr => 1)
    or die "port $port: $!\n";
$SIG{CHLD} = 'IGNORE';
while (1) {
    my $client = $server->accept or next;
    defined(my $child = fork) or next;
    next if $child;
    close $server;
    while (my $line = <$client>) {
        my ($number) = $line =~ /^([0-9]+)\r?\n$/ or last;
        my $file = place() or last;
        append($file, "$number\n") or last;
        print {$client} "ok $number\n";
        $client->flush;
    }
    exit 0;
}
