/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "base/units.h"
#include "config.h"
#include "config_table.h"

#define AT(member)     offsetof(struct config, member)
#define MS(n)	       ((int64_t)((n)*US_PER_MS))
#define SIZE_MAX_BYTES ((int64_t)(MIB * 1024 * 1024)) /* 1 TiB: more than any board */

#define BUDGET(step)                                                                               \
	"Time for the step " step " of a client that asks for none. Measured: 2.5 MB to a slow "   \
	"card took 0.2-0.4 s early and 0.7-5.5 s at the edge, so 1 s covers an early order. "      \
	"Halved, slow clients miss it; doubled, every stage comes that much earlier."

/* Ends a row: the broker reads such a setting only when it starts. */
#define RESTART " A change needs a restart.", true

/* The whole configuration: group, key, type, member, min, max, default, list default, why. */
const struct config_option config_options[] = {
	{"Sampling", "idle_interval_ms", CONFIG_MS, AT(idle_interval_us), MS(100), MS(60000),
	 MS(2000), NULL,
	 "Longest sleep between two samples, used while memory is plentiful. 2000 keeps an "
	 "idle broker below one wakeup per second. Halved, it wakes twice as often; doubled, a "
	 "leak of 10 MiB/s that starts in between grows by 40 MiB before it is seen."},
	{"Sampling", "near_interval_ms", CONFIG_MS, AT(near_interval_us), MS(1), MS(1000), MS(2),
	 NULL,
	 "Shortest sleep between two samples, used near the cliff. A sample costs 0.02 ms on a "
	 "1 GHz core, 1 % of 2 ms; at 1 GiB/s 2 MiB are eaten in that time. Halved, the cost "
	 "doubles; doubled, so does what is eaten unseen."},
	{"Sampling", "plausible_bytes_per_s", CONFIG_RATE, AT(plausible_bytes_per_s), (int64_t)MIB,
	 SIZE_MAX_BYTES, (int64_t)(1024 * MIB), NULL,
	 "The fastest that this machine can eat memory; headroom divided by it is the "
	 "guaranteed time. Fresh pages were touched at 1.0-2.7 GB/s on the machines measured, "
	 "at 0.3-1 on small boards. Halved, the guarantee is twice as long and may be wrong; "
	 "doubled, it is half as long."},
	{"Sampling", "swap_weight_percent", CONFIG_PERCENT, AT(swap_weight_permyriad), 0, 10000,
	 5000, NULL,
	 "What a free byte of swap counts as headroom. A byte on zram frees half a byte of RAM "
	 "at the usual ratio of 2:1, and swap on a card is too slow to count in full. 0 "
	 "ignores swap; 100 is right for a fast disk."},
	{"Sampling", "psi_some_ms", CONFIG_MS, AT(psi_some_us), MS(1), MS(10000), MS(70), NULL,
	 "Stall of some tasks within psi_window_ms at which the kernel tells us. Without swap "
	 "the kernel is silent until very late, so this is a second opinion and never the only "
	 "one. Halved, disk traffic is reported more often; doubled, thrashing is seen later." RESTART},
	{"Sampling", "psi_full_ms", CONFIG_MS, AT(psi_full_us), MS(1), MS(10000), MS(50), NULL,
	 "The same for a stall of all tasks. On one core it is about 0.9 of the stall of some "
	 "(measured), so it stands a little lower than psi_some_ms." RESTART},
	{"Sampling", "psi_window_ms", CONFIG_MS, AT(psi_window_us), MS(500), MS(10000), MS(500),
	 NULL,
	 "Window of both PSI triggers. 500 is the shortest that the kernel takes (psi.c, "
	 "WINDOW_MIN_US) and tells 85 ms after a stall begins (median, with a threshold of 20 "
	 "ms); 1000 with 150 takes 249 ms, 2000 with 100 takes 437. Without CAP_SYS_RESOURCE "
	 "newer kernels take multiples of 2000 only." RESTART},

	{"Stages", "floor_warning_percent", CONFIG_PERCENT, AT(floor_permyriad[STAGE_WARNING]), 0,
	 5000, 1000, NULL,
	 "Headroom below this share of the domain is a warning even if it does not fall. "
	 "Stages are entered on time; floors only catch what creeps. Halved, a slow leak is "
	 "told later; doubled, a well-used machine warns for nothing."},
	{"Stages", "floor_imminent_percent", CONFIG_PERCENT, AT(floor_permyriad[STAGE_IMMINENT]), 0,
	 5000, 600, NULL,
	 "The same for imminent: 7.7 MiB on a 128 MiB machine, on which flushing needs memory "
	 "itself. Halved, clients degrade with less room to do it in; doubled, they degrade "
	 "early."},
	{"Stages", "floor_shutdown_percent", CONFIG_PERCENT, AT(floor_permyriad[STAGE_SHUTDOWN]), 0,
	 5000, 300, NULL,
	 "The same for shutdown: 3.8 MiB on a 128 MiB machine, about 8 times what was left "
	 "when the kernel began to kill (0.5 MiB). Halved, little is left for an orderly end; "
	 "doubled, programs end that might have lived."},
	{"Stages", "floor_warning_max_bytes", CONFIG_BYTES, AT(floor_max_bytes[STAGE_WARNING]), 0,
	 SIZE_MAX_BYTES, (int64_t)(256 * MIB), NULL,
	 "Upper limit of that floor, so that a percentage does not waste gigabytes on a big "
	 "machine. 0 switches the floor off. 256M is 0.25 s at the fastest plausible rate."},
	{"Stages", "floor_imminent_max_bytes", CONFIG_BYTES, AT(floor_max_bytes[STAGE_IMMINENT]), 0,
	 SIZE_MAX_BYTES, (int64_t)(128 * MIB), NULL,
	 "The same for imminent: 0.125 s at the fastest plausible rate."},
	{"Stages", "floor_shutdown_max_bytes", CONFIG_BYTES, AT(floor_max_bytes[STAGE_SHUTDOWN]), 0,
	 SIZE_MAX_BYTES, (int64_t)(64 * MIB), NULL,
	 "The same for shutdown: 0.06 s at the fastest plausible rate."},
	{"Stages", "warning_share_percent", CONFIG_PERCENT, AT(warning_permyriad), 0, 9000, 0, NULL,
	 "A forecast is a warning only when such a share of the headroom that its fall began with is "
	 "gone. 0: at once, with all the lead there is. On the recordings of the sources 25 takes a "
	 "third of the false warnings away and two fifths of those in time, 50 two thirds of the "
	 "false ones and more than half of those in time; imminent and shutdown come as before. "
	 "Halved, more false warnings; doubled, less time to flush."},
	{"Stages", "confirm_ms", CONFIG_MS, AT(confirm_us), 0, MS(60000), MS(3000), NULL,
	 "A fall that lasts so long is no burst. Recorded bursts of 25 MiB were over within 1.3 s, "
	 "the teeth of a garbage collector's saw within 2 s. Halved, such a saw makes programs "
	 "degrade; doubled, a leak is believed 3 s later unless headroom is already small."},
	{"Stages", "hold_ms", CONFIG_MS, AT(hold_us), 0, MS(600000), MS(3000), NULL,
	 "All clear only after so long without a reason. Ending a program gives memory back "
	 "within 0.02-0.25 s (measured), so 3 s is well past the echo. Halved, stages may "
	 "flap; doubled, clients run degraded for longer than needed."},

	{"Asking", "budget_flush_ms", CONFIG_MS, AT(default_budget_us[STEP_FLUSH]), MS(1),
	 MS(60000), MS(1000), NULL, BUDGET("flush")},
	{"Asking", "budget_degrade_ms", CONFIG_MS, AT(default_budget_us[STEP_DEGRADE]), MS(1),
	 MS(60000), MS(500), NULL,
	 BUDGET("degrade") " Degrading mostly sets switches, hence half of flush."},
	{"Asking", "budget_shutdown_ms", CONFIG_MS, AT(default_budget_us[STEP_SHUTDOWN]), MS(1),
	 MS(60000), MS(1000), NULL, BUDGET("shutdown")},
	{"Asking", "budget_resume_ms", CONFIG_MS, AT(default_budget_us[STEP_RESUME]), MS(1),
	 MS(60000), MS(1000), NULL,
	 "Time for the step resume of a client that asks for none. Nothing waits for it but "
	 "the record; halved or doubled it changes only when an answer is called missed."},
	{"Asking", "budget_max_ms", CONFIG_MS, AT(max_budget_us), MS(1), MS(60000), MS(60000), NULL,
	 "The longest budget that is granted; a longer wish is cut to it. One client that is "
	 "granted 60 s makes every stage begin 60 s ahead. Lower it where one program must not "
	 "decide that."},
	{"Asking", "max_clients", CONFIG_COUNT, AT(max_clients), 1, 4096, 256, NULL,
	 "How many clients may register. The memory for them is set aside and locked at start, "
	 "under 1 KiB each. Halved, it saves 128 KiB; doubled, it costs 256." RESTART},
	{"Asking", "max_clients_per_uid", CONFIG_COUNT, AT(max_per_uid), 1, 4096, 64, NULL,
	 "How many of them one user may register: a quarter of all, so that one user's mistake "
	 "leaves room for others."},
	{"Asking", "max_monitors", CONFIG_COUNT, AT(max_monitors), 0, 64, 8, NULL,
	 "How many event streams (failsoftctl monitor) may be open at once, a quarter of them, "
	 "but at least one, by one user other than root. Each costs one write per event. 0 "
	 "allows none."},
	{"Asking", "shield", CONFIG_BOOL, AT(shield), 0, 1, 1, NULL,
	 "While a client is asked, its oom_score_adj is lowered, so that the kernel does not "
	 "kill it in mid-flush. Without it the kernel took the logger in 63 of 69 crashes that "
	 "were measured. Needs CAP_SYS_RESOURCE."},
	{"Asking", "shield_oom_score_adj", CONFIG_SIGNED, AT(shield_oom_score_adj), -1000, 0, -999,
	 NULL,
	 "The value it is lowered to. -999 makes the kernel choose it last of all; -1000 "
	 "forbids choosing it, and when everything that is left is forbidden the kernel panics "
	 "(0.04-1.2 s after its first kill, measured)."},

	{"Acting", "brake", CONFIG_BOOL, AT(brake), 0, 1, 1, NULL,
	 "From stage imminent on, stop (SIGSTOP) the program that grows while clients still need more "
	 "time than is left, and let it go on when they have answered. Never a client or what is "
	 "protected."},
	{"Acting", "guard", CONFIG_BOOL, AT(guard), 0, 1, 1, NULL,
	 "A thread of the broker's own stops the program that grows, tells the clients and, when little "
	 "is left, ends that program, if the main loop does not run while memory is short. It keeps to "
	 "brake, act and dry_run, and sleeps for as long as memory is plentiful."},
	{"Acting", "guard_after_ms", CONFIG_MS, AT(guard_after_us), MS(20), MS(60000), MS(250), NULL,
	 "How late the main loop must be for that. A turn takes 2 ms, the longest that was measured at "
	 "the edge 2.1; a look at 2000 processes 27 ms, on a slow CPU up to 200. Halved, such a look on a "
	 "slow machine may be taken for a loop that stands still; doubled, a leak of 100 MiB/s takes "
	 "25 MiB more."},
	{"Acting", "tripwire_cgroup", CONFIG_CGROUP, AT(tripwire_cgroup), 0, 0, 0, "",
	 "The cgroup that ordinary programs live in, like \"/programs\": its memory.high is kept so that "
	 "the kernel itself slows a leak before memory is gone, and tells at once. cgroup v1: one that has "
	 "a limit; programs wait at it. Programs are put there by whoever starts them, clients better not. "
	 "Empty: none, and leaks at full speed cannot be met in time. See TRIPWIRE in failsoftd(8)."},
	{"Acting", "tripwire_create", CONFIG_BOOL, AT(tripwire_create), 0, 1, 0, NULL,
	 "Make that cgroup (v2) if it is not there, switch the memory controller on for it, and remove it "
	 "at the end if nobody lives in it. No process is ever moved."},
	{"Acting", "act", CONFIG_BOOL, AT(act), 0, 1, 1, NULL,
	 "At stage shutdown, end the program that caused it. false: ask and record only; the "
	 "kernel will then choose by its own rule."},
	{"Acting", "dry_run", CONFIG_BOOL, AT(dry_run), 0, 1, 0, NULL,
	 "Do everything but send no signal to a program that would be ended; record what would "
	 "have been done. The same as --dry-run."},
	{"Acting", "term_ms", CONFIG_MS, AT(term_us), 0, MS(60000), MS(500), NULL,
	 "From SIGTERM to SIGKILL, at most; shortened when time is shorter. Of 8 loggers that "
	 "got SIGTERM at the edge 7 died before or in their flush, so this is for tidying up, "
	 "not for data. 0 sends SIGKILL at once."},
	{"Acting", "kill_ms", CONFIG_MS, AT(kill_us), MS(10), MS(60000), MS(1000), NULL,
	 "From SIGKILL until the process must be gone, else the next one is chosen. 17 ms were "
	 "measured for 48 MiB, 250 ms with a process in uninterruptible sleep. Halved, a slow "
	 "end may cost a second program; doubled, a stuck one delays the rescue."},
	{"Acting", "settle_ms", CONFIG_MS, AT(settle_us), 0, MS(60000), MS(200), NULL,
	 "From the end of a process, or a kill of the kernel, until headroom is judged again. Memory was "
	 "back 1 ms before the process was reaped in most runs, 20 to 70 ms after the kernel's kill. Halved, "
	 "a second program may end needlessly; doubled, a second leaker has more time."},
	{"Acting", "last_files", CONFIG_FILES, AT(last_files), 0, 0, 0, "",
	 "Files to delete when no process helps: on a tmpfs, so that memory comes back, like "
	 "\"/run/cache/*.tmp\"; * and ? in the last part. Elsewhere nothing is deleted."},
	{"Acting", "last_policy", CONFIG_POLICY, AT(last_policy), 0, 0, 0, "relieve",
	 "What is done to the system when no process helps and the files are gone: nothing more (relieve), "
	 "end everything that is not in barebone_keep (barebone), reboot, poweroff, or run the procedure "
	 "that is given with \"last\": \"system\" (program). See WHEN NO PROCESS HELPS in failsoftd(8)."},
	{"Acting", "last_policies", CONFIG_POLICIES, AT(last_policies), 0, 0, 0, "",
	 "The same for cgroups with a limit: \"/system.slice/logger.service=program\". Without an entry: "
	 "relieve."},
	{"Acting", "last_after_ms", CONFIG_MS, AT(last_after_us), MS(20), MS(600000), MS(1000), NULL,
	 "So long nobody may be ended before the last policy is run; shortened when time is shorter. "
	 "Memory of what has ended was back within 0.25 s (measured). Halved, a slow end is not waited for; "
	 "doubled, a machine that is lost stands for a second more."},
	{"Acting", "barebone_keep", CONFIG_COMMS, AT(barebone_keep), 0, 0, 0, "",
	 "What keeps running in barebone operation, by name as in /proc/PID/comm; * and ? stand for any text "
	 "and any byte. Process 1, failsoft, the bus, sshd, what protect names and clients that may not be "
	 "ended are kept anyway. It is also what follows when the machine was rebooted too often."},
	{"Acting", "sync_ms", CONFIG_MS, AT(sync_us), 0, MS(600000), MS(5000), NULL,
	 "For writing back file systems before a reboot, at most: then it comes all the same. An SD card "
	 "writes some 10 MB/s, and a small machine has seldom more than that to write. Halved, a slow card "
	 "loses what was written last; doubled, a card that hangs costs 5 s more."},
	{"Acting", "reboots_most", CONFIG_COUNT, AT(reboots_most), 0, 1000, 3, NULL,
	 "So many reboots by us, each within reboots_within_ms of boot, then barebone instead: a machine "
	 "that runs out of memory as soon as it is up is not to do it for ever. 0: never reboot."},
	{"Acting", "reboots_within_ms", CONFIG_MS, AT(reboots_within_us), MS(1000), MS(604800000),
	 MS(3600000), NULL,
	 "A boot that lasts longer begins the count anew: so there are never more than reboots_most within "
	 "it, and slow ones are counted, too, if they follow each other. It needs no clock."},
	{"Acting", "watchdog_device", CONFIG_PATH, AT(watchdog_device), 0, 0, 0, "",
	 "A hardware watchdog that is armed when a reboot begins, in case it hangs: /dev/watchdog. Not if "
	 "systemd has it (RuntimeWatchdogSec=), which does the same by RebootWatchdogSec=. Empty: none."},
	{"Acting", "stall_percent", CONFIG_PERCENT, AT(stall_permyriad), 0, 10000, 8000, NULL,
	 "The machine stands still when so much of stall_window_ms went by in waiting for memory (PSI full, "
	 "the broker's own lateness, delays of clients) while memory without swap is short: then it is stage "
	 "shutdown, whatever swap is free. A scan of twice the memory stalls a healthy machine for 55 % "
	 "(measured). Halved, such a scan ends programs; 100 hardly ever comes. 0: never."},
	{"Acting", "stall_window_ms", CONFIG_MS, AT(stall_window_us), MS(1000), MS(600000), MS(10000), NULL,
	 "The window of stall_percent. Halved, a start that swaps may count; doubled, a machine stands still "
	 "for 8 s more."},
	{"Acting", "protect", CONFIG_NAMES, AT(protect), 0, 0, 0,
	 "init systemd systemd-* (sd-pam) dbus-daemon dbus-broker* sshd watchdog* failsoftd",
	 "Processes that are never ended, by name as in /proc/PID/comm (at most 15 bytes), by the "
	 "path of their program, by \"unit:logger.service\", \"cgroup:/apps/loggers\" with all "
	 "below it, or \"uid:1000\"; * and ? stand for any text and any byte. PID 1, kernel threads, "
	 "the broker, the bus and who holds /dev/watchdog* open are protected anyway. A list here "
	 "replaces the default."},
	{"Acting", "prefer", CONFIG_NAMES, AT(prefer), 0, 0, 0, "",
	 "Processes that are ended before all others if they hold 1 MiB or more, the largest first, "
	 "whoever grew; written as in protect, which wins. Paths, units and cgroups cost one more "
	 "file read for each process in the crisis."},

	{"Acting", "procedures_enabled", CONFIG_BOOL, AT(procedures_enabled), 0, 1, 1, NULL,
	 "Run the procedures that were given before programs are ended. false: they stand ready, "
	 "but none is run; programs are ended without."},
	{"Acting", "procedures", CONFIG_PROCEDURES, AT(procedures), 0, 0, 0, "",
	 "Programs to run before a program is ended, each an object: name (comm, or the path of its "
	 "program), unit or cgroup says whose end it is for; program is an absolute path; arguments and "
	 "keep (more files to hold in memory) are lists; deadline_ms 10..30000, default 500; memory_bytes "
	 "up to 67108864, kept for it until it runs, default 1048576; responder true: it uses "
	 "failsoft/responder.h; hold false: the process is not stopped meanwhile. They run as the broker's "
	 "user. See PROCEDURES in failsoftd(8)."},

	{"Domains", "domains", CONFIG_CGROUPS, AT(domains), 0, 0, 0, "",
	 "Cgroups with a memory limit that are watched even without a client in them, as in "
	 "/proc/PID/cgroup: \"/system.slice/logger.service\". One that is not there, or goes, is "
	 "looked for every second and watched from then on."},

	{"Keeping", "events", CONFIG_COUNT, AT(events), 64, 65536, 4096, NULL,
	 "How many events are kept in locked memory, about 300 bytes each. An episode with 10 "
	 "clients takes about 100. Halved, history is shorter." RESTART},
	{"Keeping", "export_file", CONFIG_PATH, AT(export_file), 0, 0, 0, "",
	 "Append every event to this file as JSON Lines. Absolute path; the service may write "
	 "below /var/lib/failsoft and /var/log/failsoft. If it cannot be opened, failsoftd runs "
	 "without it and says so in its Warnings. Empty: none." RESTART},

	{"Process", "lock_memory", CONFIG_BOOL, AT(lock_memory), 0, 1, 1, NULL,
	 "Lock the broker into memory. A broker that is not locked waited 10-15 ms and more "
	 "for its own pages on a thrashing machine, a locked one 0.01 ms." RESTART},
	{"Process", "realtime_priority", CONFIG_COUNT, AT(realtime_priority), 0, 98, 10, NULL,
	 "SCHED_FIFO priority of the broker, 0 for none. Any value above 0 is ahead of "
	 "ordinary programs (a CPU-bound leak delayed the broker by 6 ms without, 0.4 ms with "
	 "it); keep it below the control loops of the system. A broker that turned for 0.2 s "
	 "without waiting loses it for a second." RESTART},
};

const size_t config_options_count = ARRAY_LEN(config_options);
static_assert(ARRAY_LEN(config_options) <= CONFIG_OPTIONS_MAX, "raise CONFIG_OPTIONS_MAX");

const struct config_option *config_option_find(const char *key)
{
	for (size_t i = 0; i < config_options_count; i++)
		if (!strcmp(config_options[i].key, key))
			return &config_options[i];
	return NULL;
}

#define KEY_MAX 48 /* a longer word is nobody's typing mistake */

/* Edit distance by one row of the matrix (Wagner and Fischer). */
static size_t distance(const char *a, const char *b)
{
	size_t row[KEY_MAX + 1];
	size_t length = strlen(b);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = MIN_OF(change, MIN_OF(row[j], row[j - 1]) + 1);
		}
	}
	return row[length];
}

const char *config_option_nearest(const char *key)
{
	size_t best = MAX_OF(strlen(key) / 3, 2) + 1;
	const char *nearest = NULL;

	if (strlen(key) > KEY_MAX)
		return NULL;
	for (size_t i = 0; i < config_options_count; i++) {
		size_t far = distance(key, config_options[i].key);

		if (far < best) {
			best = far;
			nearest = config_options[i].key;
		}
	}
	return nearest;
}

static void default_list(struct config_list *list, const char *words)
{
	while (*words != '\0') {
		size_t length = strcspn(words, " ");

		assert(list->count < CONFIG_LIST_MAX && length < CONFIG_TEXT_MAX);
		memcpy(list->text[list->count], words, length);
		list->count++;
		words += length + strspn(words + length, " ");
	}
}

enum last_policy config_last_policy(const struct config *c, const char *domain)
{
	size_t length = strlen(domain);

	if (!strcmp(domain, "system"))
		return last_policy_find(c->last_policy);
	for (uint32_t i = 0; i < c->last_policies.count; i++)
		if (!strncmp(c->last_policies.text[i], domain, length) &&
		    c->last_policies.text[i][length] == '=')
			return last_policy_find(c->last_policies.text[i] + length + 1);
	return LAST_RELIEVE;
}

static bool ends_machine(enum last_policy policy)
{
	return policy == LAST_REBOOT || policy == LAST_POWEROFF;
}

bool config_ends_machine(const struct config *c)
{
	bool ends = ends_machine(last_policy_find(c->last_policy));

	for (uint32_t i = 0; i < c->last_policies.count; i++)
		ends |= ends_machine(last_policy_find(strrchr(c->last_policies.text[i], '=') + 1));
	return ends;
}

void config_default(struct config *c)
{
	memset(c, 0, sizeof(*c));
	for (const struct config_option *o = config_options;
	     o < config_options + config_options_count; o++) {
		void *member = config_member(c, o);

		if (config_type_is_number(o->type))
			memcpy(member, &o->number, sizeof(o->number));
		else if (o->type == CONFIG_BOOL)
			*(bool *)member = o->number != 0;
		else if (config_type_is_text(o->type))
			strcpy(member, o->words);
		else if (o->type != CONFIG_PROCEDURES) /* there is none by default */
			default_list(member, o->words);
	}
}

static size_t member_size(enum config_type type)
{
	if (config_type_is_number(type))
		return sizeof(uint64_t);
	if (config_type_is_text(type))
		return CONFIG_TEXT_MAX;
	if (config_type_is_list(type))
		return sizeof(struct config_list);
	return type == CONFIG_BOOL ? sizeof(bool) : sizeof(struct config_procedures);
}

unsigned config_keep(struct config *c, const struct config *in_force, char *kept, size_t kept_size)
{
	unsigned count = 0;
	size_t used = 0;

	kept[0] = '\0';
	for (const struct config_option *o = config_options;
	     o < config_options + config_options_count; o++) {
		const size_t size = member_size(o->type), length = strlen(o->key);

		/* behind the end of a text and of a list all is zero */
		if (!o->needs_restart ||
		    !memcmp(config_member(c, o), config_member_const(in_force, o), size))
			continue;
		memcpy(config_member(c, o), config_member_const(in_force, o), size);
		if (used + length + 3 <= kept_size) {
			strcat(strcat(kept, used ? ", " : ""), o->key);
			used = strlen(kept);
		}
		count++;
	}
	return count;
}
