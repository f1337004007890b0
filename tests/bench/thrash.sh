# SPDX-License-Identifier: MIT
# In the small machine: the same orders calm and while file pages thrash on an SD-card-slow disk.
# usage: tests/vm/vm.py run --script tests/bench/thrash.sh --timeout 100 --with BUILD/tests/bench/bench-orders
. /guest/lib
start_bus
mkdir -p /tmp/root/proc /run/failsoft
cat >/tmp/root/proc/meminfo <<'END'
MemTotal:        1048576 kB
MemFree:          900000 kB
MemAvailable:     900000 kB
Active(file):          0 kB
Inactive(file):        0 kB
SwapTotal:             0 kB
SwapFree:              0 kB
END
echo '{"hold_ms": 20}' >/tmp/bench.json
failsoftd --bus=$BUS --config=/tmp/bench.json --state-dir=/run/failsoft --root=/tmp/root >/dev/null 2>&1 &
pause 1
echo "# calm"
bench-orders $BUS /tmp/root/proc/meminfo 1 20
dd if=/dev/zero of=/data/big bs=1M count=24 2>/dev/null
echo "# while file pages thrash"
bench-orders $BUS /tmp/root/proc/meminfo 1 10 12 &
bench=$!
pause 2
read -r unused available unused <<END
$(grep MemAvailable /proc/meminfo)
END
failsoft-hog --rate=max --limit=$((available / 1024 - 4)) >/dev/null 2>&1 &
for reader in 1 2; do
	(while :; do dd if=/data/big of=/dev/null bs=64k 2>/dev/null; done) &
done
wait $bench
grep -E "MemFree|MemAvailable|Active.file|Inactive.file" /proc/meminfo
