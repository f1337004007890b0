/* SPDX-License-Identifier: MIT */
#include "cover.h"

#include "base/units.h"

static const char *const names[] = {
	[COVER_WARNING] = "stage warning", [COVER_IMMINENT] = "stage imminent",
	[COVER_SHUTDOWN] = "stage shutdown", [COVER_CLEARED] = "all clear",
	[COVER_DONE] = "done", [COVER_PARTIAL] = "partial", [COVER_BUSY] = "busy",
	[COVER_BUSY_AGAIN] = "busy again", [COVER_REFUSED] = "refused",
	[COVER_MISSED] = "missed", [COVER_VANISHED] = "vanished",
	[COVER_SUPERSEDED] = "superseded", [COVER_LATE] = "late",
	[COVER_ANSWER_UNKNOWN] = "answer to nothing asked", [COVER_RESUME] = "resume",
	[COVER_GROUPS] = "order groups", [COVER_SHIELD] = "shield",
	[COVER_SHIELD_KEPT] = "shield kept", [COVER_SURVEY] = "survey",
	[COVER_NO_VICTIM] = "no victim", [COVER_FINAL] = "rung final",
	[COVER_FINAL_OUTSIDE] = "rung final outside its domains",
	[COVER_NOT_WAITED_FOR] = "not waited for, joined too late",
	[COVER_LEFT] = "victim left after its answer",
	[COVER_KILL_DRY] = "rung kill, dry run", [COVER_FINAL_DRY] = "rung final, dry run",
	[COVER_TERM] = "rung term", [COVER_TERM_DRY] = "rung term, dry run",
	[COVER_KILL] = "rung kill", [COVER_ENDED] = "victim ended",
	[COVER_VICTIM_SECOND] = "second victim", [COVER_KERNEL_OOM] = "kernel OOM",
	[COVER_AFTER_KILL] = "victim after OOM", [COVER_AFTER_FALL] = "... as it fell on",
	[COVER_NOT_IN_HASTE] = "who is only the largest is spared after OOM",
	[COVER_TAKEN_OVER] = "episode taken over", [COVER_RELOADED] = "reload",
	[COVER_DOMAIN_REMOVED_IN_STAGE] = "domain gone in a stage",
	[COVER_FULL] = "no room for a client", [COVER_USER_FULL] = "no room for its user",
	[COVER_STALE] = "stale client", [COVER_REPLAYED] = "recorded and replayed",
	[COVER_LOOK] = "looked for whom to stop", [COVER_BRAKE] = "brake",
	[COVER_BRAKE_DRY] = "brake, dry run", [COVER_LET_GO] = "let go",
	[COVER_HELD_BACK] = "held back for lack of evidence",
	[COVER_PROCEDURE] = "rung procedure", [COVER_PROCEDURE_DRY] = "rung procedure, dry run",
	[COVER_PROCEDURE_DONE] = "procedure done", [COVER_PROCEDURE_LATE] = "procedure too late",
	[COVER_PROCEDURE_CUT] = "procedure cut short",
	[COVER_PROCEDURE_STALE] = "end of a procedure that nobody waits for",
	[COVER_TRIPWIRE_MOVED] = "tripwire moved", [COVER_TRIPWIRE_OPEN] = "tripwire open",
	[COVER_TRIPWIRE_DRY] = "tripwire, dry run", [COVER_TRIPWIRE_OFF] = "tripwire gone",
	[COVER_TRIPPED] = "programs at the tripwire", [COVER_RETURNED] = "what came back",
	[COVER_LAST_FILES] = "files deleted for memory",
	[COVER_LAST_CALLED_OFF] = "its end is called off",
	[COVER_LAST_MACHINE] = "machine ended", [COVER_LAST_RAN] = "a last policy ran",
	[COVER_DRILL] = "drill", [COVER_DRILL_REFUSED] = "drill refused",
	[COVER_DRILL_INTERRUPTED] = "drill interrupted",
	[COVER_LAST_INSTEAD] = "barebone instead of one more reboot",
	[COVER_PROCEDURE_AFTER_FINAL] = "procedure after the final request",
	[COVER_GUARD_STOPPED] = "stopped by the guard", [COVER_GUARD_TOLD] = "told by the guard",
	[COVER_GUARD_ENDED] = "ended by the guard", [COVER_GUARD_DRY] = "guard, dry run",
	[COVER_KILLED_AT_NORMAL] = "killed at normal",
	[COVER_KILLED_AT_WARNING] = "killed at warning",
	[COVER_KILLED_AT_IMMINENT] = "killed at imminent",
	[COVER_KILLED_AT_SHUTDOWN] = "killed at shutdown",
	[COVER_KILLED_AT_IDLE] = "killed at idle", [COVER_KILLED_AT_FINAL] = "killed at final",
	[COVER_KILLED_AT_LEAVE] = "killed at leave",
	[COVER_KILLED_AT_PROCEDURE] = "killed at procedure",
	[COVER_KILLED_AT_TERM] = "killed at term", [COVER_KILLED_AT_KILL] = "killed at kill",
	[COVER_KILLED_AT_SETTLE] = "killed at settle",
	[COVER_KILLED_AT_PART] = "killed at part",
	[COVER_KILLED_AT_BRAKE] = "killed at brake",
	[COVER_KILLED_AT_LET_GO] = "killed at let go",
	[COVER_KILLED_AT_LAST] = "killed at last",
	[COVER_GUARD_OVER_ITS_OWN] = "the guard ends the ladder's victim",
};
_Static_assert(ARRAY_LEN(names) == COVER_COUNT, "a name for every place");

const char *cover_name(enum cover_place place)
{
	return names[place];
}
