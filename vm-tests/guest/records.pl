# Keeps what the writing client sends: usage records.pl PORT FILE...
# A line "N" is appended to the first of the files whose directory is a mount
# point of its own, is brought to the disk, and only then answered "ok N".
use strict;
use warnings;
use IO::Socket::INET;
use IO::Handle;

my ($port, @files) = @ARGV;

# The file below whose directory something is mounted.
sub place {
    for my $file (@files) {
        my $dir = $file =~ s{/[^/]*$}{}r;
        my ($own) = stat $dir or next;
        my ($above) = stat "$dir/..";
        return $file if $own != $above;
    }
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
        # Opened each time: a file that stays open would hold the mount.
        open my $out, '>>', $file or last;
        print {$out} "$number\n" or last;
        $out->flush and $out->sync and close $out or last;
        print {$client} "ok $number\n";
        $client->flush;
    }
    exit 0;
}
