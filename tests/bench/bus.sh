# SPDX-License-Identifier: MIT
# In the small machine: what the bus answers while file pages thrash on an SD-card-slow disk.
# usage: tests/vm/vm.py run --script FILE --timeout 150 --with BUILD/tests/bench/bench-bus
# FILE is this with two lines before it: LEFT=MIB, how much is left to the files, and HELD=yes or no.
# Measured, longest of 40 (20 a second) and 15 (one in 2 s) questions, and page reads of the bus:
#   LEFT=10  not held 0.5 ms, 46 reads        held 0.14 ms, 0
#   LEFT=8   not held 213 ms, 584 reads       held 0.34 ms, 0
#   LEFT=7   not held 2202 ms, 4551 reads     held 0.64 ms, 0
start_bus
if [ "$HELD" = yes ]; then
	failsoft-hold --without=libgcrypt --without=libgpg-error --without=libzstd --without=liblz4 \
		--without=liblzma --without=libpcre2 /bin/dbus-daemon &
	pause 1
fi
pid=$(pidof dbus-daemon)
# Libraries of its own, in RAM: those that it locks must not be the bus's.
mkdir /tmp/own
for lib in $(LD_TRACE_LOADED_OBJECTS=1 /bin/bench-bus | tr ' \t' '\n\n' | grep '^/lib/'); do
	cp "$lib" /tmp/own
done
export LD_LIBRARY_PATH=/tmp/own
faults() { cut -d ' ' -f 12 </proc/$pid/stat; }
echo "# calm, held: ${HELD:-no}"
bench-bus $BUS 50 50
before=$(faults)
dd if=/dev/zero of=/data/big bs=1M count=32 2>/dev/null
(pause 6; bench-bus $BUS 40 50; bench-bus $BUS 15 2000; touch /run/over) &
pause 1
read -r unused available unused <<END
$(grep MemAvailable /proc/meminfo)
END
failsoft-hog --rate=max --limit=$((available / 1024 - LEFT)) >/dev/null 2>&1 &
for reader in 1 2; do
	(while :; do dd if=/data/big of=/dev/null bs=64k 2>/dev/null; done) &
done
pause 4
grep -E "MemFree|MemAvailable|Active.file|Inactive.file|Mlocked" /proc/meminfo
echo "# while file pages thrash: 20 a second, then one in 2 s"
until [ -e /run/over ]; do pause 1; done
grep -E "VmRSS|RssFile" /proc/$pid/status
echo "major faults of the bus: $(faults) after $before before"
