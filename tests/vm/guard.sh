# SPDX-License-Identifier: MIT
# The broker's loop really stands still: its first thread alone is frozen, in a threaded cgroup, while
# a program leaks. Run by
#   vm.py run --script tests/vm/guard.sh --timeout 90 --build BUILD
# What to see: the guard's event 270 ms after the loop was due, the program stopped, no kill of the kernel;
# then the loop takes over and ends it (measured so at 20 and at 5 MiB/s).
start_bus
mkdir -p /run/failsoft
CG=$(grep -m1 cgroup2 /proc/mounts | cut -d' ' -f2)
[ -n "$CG" ] || { mkdir -p /run/cg; mount -t cgroup2 none /run/cg; CG=/run/cg; }
echo '{ "export_file": "/run/events" }' >/tmp/config.json
failsoftd --bus=$BUS --config=/tmp/config.json --state-dir=/run/failsoft >/run/log 2>&1 &
broker=$!
pause 1.5
CG=$CG$(grep '^0::' /proc/$broker/cgroup | cut -d: -f3)
mkdir $CG/still
echo threaded >$CG/still/cgroup.type
echo "the broker is in $CG, $(cat $CG/still/cgroup.type)"
for rate in 20 5; do
	failsoft-hog --rate=$rate >/dev/null 2>&1 &
	hog=$!
	while ! grep -q '"to":"warning"' /run/events; do pause 0.02; done
	pause 0.3
	echo $broker >$CG/still/cgroup.threads
	echo 1 >$CG/still/cgroup.freeze
	pause 6
	kill -0 $hog 2>/dev/null && echo "rate $rate: the hog lives" || echo "rate $rate: the hog is ended"
	grep -h "guard" /run/log | cut -c1-200
	echo 0 >$CG/still/cgroup.freeze
	pause 2
	echo $broker >$CG/cgroup.threads
	grep -hE '"event":"(guard|action|ended|answer|kernel_oom)"' /run/events | cut -c1-260
	pause 4
	: >/run/events
	: >/run/log
done
grep -E "oom_kill " /proc/vmstat
kill $broker
