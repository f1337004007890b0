# SPDX-License-Identifier: MIT
# Five procedures outside and inside real crises of the small machine; run by
#   vm.py run --script tests/vm/procedures.sh --timeout 420 --with /bin/true --with /bin/dd \
#     --with /bin/cp --with BUILD/tests/bench/failsoft-procedure-time
# Outside: microseconds, a line a run. Inside: taken_us of procedure_ended. The ratios of the
# medians of 10 were 1.08, 1.25, 1.21, 1.23 and 1.16; at most 1.5 is wanted.
RUNS=10
RESPONDER=/bin/failsoft-responder
start_bus
mkdir -p /run/failsoft
ip link set lo up

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
	runs=0
	while [ $runs -lt $RUNS ]; do
		"/tmp/$name" --rate=20 >/dev/null 2>&1
		pause 5
		runs=$((runs + 1))
	done
	kill $broker
	pause 0.5
}

outside nothing /bin/true
outside write /bin/dd if=/dev/zero of=/data/a bs=4k count=16
outside copy /bin/cp /guest/failsoft.json /data/b
outside server --responder /bin/failsoft-alarm --udp=127.0.0.1:5140
outside save --responder /bin/failsoft-save --from=file:/bin/failsoftd --max=200000 --to=/data/c
inside nothing '"program": "/bin/true"'
inside write '"program": "/bin/dd", "arguments": ["if=/dev/zero", "of=/data/a", "bs=4k", "count=16"]'
inside copy '"program": "/bin/cp", "arguments": ["/guest/failsoft.json", "/data/b"]'
inside server '"program": "/bin/failsoft-alarm", "arguments": ["--udp=127.0.0.1:5140"], "responder": true'
inside save '"program": "/bin/failsoft-save", "responder": true,
	"arguments": ["--from=map:[stack]", "--max=200000", "--to=/data/c"]'
grep -h '"procedure_ended"' /run/events | cut -c1-260
