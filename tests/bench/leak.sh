# SPDX-License-Identifier: MIT
# A leak at full speed of a program that never heard of failsoft, in the small machine, without and with
# the tripwire; the logger is a client beside it. How much it still took once 4 MiB were free (headroom is
# then about 6), and the least that was free, until it was stopped for good. Run by bench.py; MODE is what start_broker reads.
start_bus

number() { od -A n -t u8 -j "$1" -N 8 /status/leak | tr -d ' '; }

# what, the broker's configuration, where the logger lives, how the leak takes SIGTERM
leak() {
	MODE=$2
	start_broker
	pause 1
	[ "$3" = beside ] && start_logger
	(
		[ "$MODE" = tripwire ] && into_programs
		[ "$3" = within ] && start_logger
		pause 5
		[ "$4" = ignores ] && trap '' TERM
		exec failsoft-load steady --rate=max --count=/status/leak --mark=4
	) >/dev/null 2>&1
	pause 0.2
	echo "LEAK $1: $((($(number 0) - $(number 8)) * 4)) KiB more, $(number 16) KiB free at least"
	read -r logger </run/logger.pid
	kill "$logger"
	pause 4
	kill $broker
	pause 1
}

leak 'full speed, no tripwire' failsoft beside ends
leak 'full speed, tripwire' tripwire beside ends
leak 'full speed, tripwire, a client within' tripwire within ends
leak 'SIGTERM ignored, no tripwire' failsoft beside ignores
leak 'SIGTERM ignored, tripwire' tripwire beside ignores
