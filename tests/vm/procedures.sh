# SPDX-License-Identifier: MIT
# Five procedures outside and inside real crises of the small machine, the same work on both sides. Run and
# judged by tests/bench/bench.py, `./dev bench`. Printed: "outside NAME", then microseconds, a line a
# run; "inside NAME"; then what the broker has on record.
RUNS=10
RESPONDER=/bin/failsoft-responder
start_bus
mkdir -p /run/failsoft
ip link set lo up
mkdir -p /dev/shm
mount -t tmpfs -o size=1m tmpfs /dev/shm 2>/dev/null || mount | grep -q /dev/shm
failsoft-procedure-time --serve=5140 &
echo -1000 >/proc/$!/oom_score_adj

outside() {
	echo "outside $1"
	shift
	failsoft-procedure-time $RUNS $RESPONDER "$@"
}

# Its hog is of its own name; the broker ends it, and it comes again when all is normal.
inside() {
	name=hog-$1
	shift
	echo "{ \"export_file\": \"/run/events\", \"procedures\": [{ \"name\": \"$name\", $* }] }" >/tmp/config.json
	failsoftd --bus=$BUS --config=/tmp/config.json --state-dir=/run/failsoft \
		--responder=$RESPONDER >/dev/null 2>&1 &
	broker=$!
	pause 1.5
	ln -sf /bin/failsoft-hog "/tmp/$name"
	echo "{\"event\":\"inside\",\"name\":\"${name#hog-}\"}" >>/run/events
	runs=0
	while [ $runs -lt $RUNS ]; do
		"/tmp/$name" --rate=20 --shm=frames >/dev/null 2>&1
		pause 5
		runs=$((runs + 1))
	done
	kill $broker
	pause 0.5
}

outside nothing /bin/true
outside write /bin/dd if=/dev/zero of=/data/a bs=4k count=16
outside copy /bin/cp /guest/failsoft.json /data/b
outside server --responder /bin/failsoft-alarm --answer --tcp=127.0.0.1:5140
failsoft-hog --limit=1 --shm=frames &
pause 0.5
outside save --responder /bin/failsoft-save --from=shm:frames --to=/data/c
kill $!
inside nothing '"program": "/bin/true"'
inside write '"program": "/bin/dd", "arguments": ["if=/dev/zero", "of=/data/a", "bs=4k", "count=16"]'
inside copy '"program": "/bin/cp", "arguments": ["/guest/failsoft.json", "/data/b"]'
inside server '"program": "/bin/failsoft-alarm", "responder": true,
	"arguments": ["--answer", "--tcp=127.0.0.1:5140"]'
inside save '"program": "/bin/failsoft-save", "responder": true,
	"arguments": ["--from=shm:frames", "--to=/data/c"]'
grep -hE '"(inside|procedure_ended)"|"to":"shutdown"|"event":"victim"' /run/events | cut -c1-900
