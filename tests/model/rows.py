"""The rows of the table: what each model is asked, and what must be found.

A row names a model, its settings (environment variables of the search), the violation that must be found (none: the
whole state space is clean), and the rules whose breaking must be found with the same settings. A known violation is
one that no lock file can be without; it must be found, or the model would not see what it is for.
"""

import dataclasses

HOLDERS = "two lockkit holders"
SCRIPT = "lockkit and a script both inside"
DELETED = "a script's file is deleted"
STUCK = "stuck"
LOST = "lost wake-up"
OVERTAKEN = "verified although another came in since"
REFUSED = "lockkit's own guard is refused"
DATA = "somebody's data is overwritten"


@dataclasses.dataclass
class Row:
    model: str
    what: str
    settings: str
    finds: str = ""
    broken: dict = dataclasses.field(default_factory=dict)  # rule -> violation
    long: bool = False


ALONE = "SCRIPTS_MAY_MEET=1 FILES_MAY_GO=1"  # what lockkit promises to its own processes, whatever scripts suffer

EXCLUSION = [
    Row("exclusion", "crashes", "PROCESSES=2 MORE_TURNS=1 CRASHES=1", broken={"kernel_lock": HOLDERS}),
    Row("exclusion", "crashes", "PROCESSES=3 MORE_TURNS=1 CRASHES=2"),
    Row("exclusion", "crashes", "PROCESSES=4 MORE_TURNS=1 CRASHES=2", long=True),
    Row("exclusion", "rm P", "PROCESSES=3 REMOVE_P=2 CRASHES=1"),
    Row("exclusion", "rm G", "PROCESSES=3 REMOVE_G=1 CRASHES=1",
        broken={"restart": HOLDERS, "adoption_compares": HOLDERS, "orphan_is_locked": HOLDERS}),
    Row("exclusion", "rm G", "PROCESSES=4 REMOVE_G=1 CRASHES=1", long=True),
    Row("exclusion", "rm G twice", "PROCESSES=3 REMOVE_G=2 CRASHES=1", long=True),
    Row("exclusion", "rm G, all meet at the new one, rm P", "PROCESSES=3 REMOVE_G=1 REMOVE_P=1 P_AFTER_CONVERGENCE=1"),
    Row("exclusion", "known: rm P and rm G in one hold", "PROCESSES=2 REMOVE_G=1 REMOVE_P=1", HOLDERS),
    Row("exclusion", "a script", "PROCESSES=2 SCRIPTS=1 MORE_TURNS=1 CRASHES=1",
        broken={"unlink_before_unlock": SCRIPT}),
    Row("exclusion", "scripts", "PROCESSES=3 SCRIPTS=2 CRASHES=1"),
    Row("exclusion", "scripts", "PROCESSES=4 SCRIPTS=2 MORE_SCRIPT_TURNS=1 CRASHES=1", long=True),
    Row("exclusion", "a script, rm G", "PROCESSES=2 SCRIPTS=1 REMOVE_G=1 CRASHES=1",
        broken={"orphan_is_compared": DELETED}),
    Row("exclusion", "a script, rm G", "PROCESSES=3 SCRIPTS=1 REMOVE_G=1 CRASHES=1", long=True),
    Row("exclusion", "a script, rm P: lockkit alone", "PROCESSES=3 SCRIPTS=1 REMOVE_P=1 " + ALONE),
    Row("exclusion", "known: a script, rm P in a hold", "PROCESSES=2 SCRIPTS=1 REMOVE_P=1", SCRIPT),
    Row("exclusion", "rm P but between a look and its unlink",
        "PROCESSES=2 SCRIPTS=1 REMOVE_P=1 SCRIPTS_MAY_MEET=1 NOT_IN_THE_WINDOW=1",
        broken={"release_compares": DELETED}),
    Row("exclusion", "known: rm P between a look and its unlink", "PROCESSES=2 SCRIPTS=1 REMOVE_P=1 SCRIPTS_MAY_MEET=1",
        DELETED),
    Row("exclusion", "a breaker by PID", "PROCESSES=3 BREAKS=2 CRASHES=2"),
    Row("exclusion", "a breaker by PID", "PROCESSES=4 BREAKS=2 CRASHES=2", long=True),
    Row("exclusion", "known: a breaker by PID, a script", "PROCESSES=2 BREAKS=1 CRASHES=1 SCRIPTS=1", SCRIPT),
    Row("exclusion", "dead scripts' locks taken over", "PROCESSES=2 RECLAIM=1 SCRIPTS=2 CRASHES=1"),
    Row("exclusion", "known: the same, with a breaker", "PROCESSES=2 RECLAIM=1 SCRIPTS=2 CRASHES=1 BREAKS=1", SCRIPT),
]

FALLBACK = [
    Row("fallback", "own files", "PROCESSES=3 METHODS=1111 MORE_TURNS=1 CRASHES=1"),
    Row("fallback", "own files", "PROCESSES=4 METHODS=1111 MORE_TURNS=1 CRASHES=2", long=True),
    Row("fallback", "own files, rm G", "PROCESSES=3 METHODS=1111 REMOVE_G=1",
        broken={"own_file_is_locked_first": HOLDERS}),
    Row("fallback", "own files, rm G", "PROCESSES=3 METHODS=1111 REMOVE_G=1 CRASHES=1",
        broken={"orphan_is_locked": HOLDERS}, long=True),
    Row("fallback", "own files, rm P", "PROCESSES=3 METHODS=1111 REMOVE_P=1 CRASHES=1"),
    Row("fallback", "own files, a script", "PROCESSES=2 METHODS=1111 SCRIPTS=1 CRASHES=1",
        broken={"rename_replaces_nothing": DELETED}),
    Row("fallback", "own files, a script, rm G", "PROCESSES=2 METHODS=1111 SCRIPTS=1 REMOVE_G=1 CRASHES=1",
        broken={"orphan_is_compared": DELETED}),
    Row("fallback", "own files, a script, rm G", "PROCESSES=3 METHODS=1111 SCRIPTS=1 REMOVE_G=1 CRASHES=1", long=True),
    Row("fallback", "exclusive creation", "PROCESSES=3 METHODS=2222 SCRIPTS=1 MORE_TURNS=1"),
    Row("fallback", "exclusive creation, rm G", "PROCESSES=3 METHODS=2222 REMOVE_G=1"),
    Row("fallback", "known: exclusive creation, a crash", "PROCESSES=2 METHODS=2222 CRASHES=1 SCRIPTS=1",
        STUCK, broken={"no_notes": DELETED}),
    Row("fallback", "links and own files, rm G", "PROCESSES=3 METHODS=0110 REMOVE_G=1 CRASHES=1"),
    Row("fallback", "links and own files, a script", "PROCESSES=3 METHODS=0110 SCRIPTS=1 CRASHES=1"),
    Row("fallback", "all three, rm G", "PROCESSES=3 METHODS=0120 REMOVE_G=1"),
    Row("fallback", "all three, rm G", "PROCESSES=4 METHODS=0012 REMOVE_G=1", long=True),
]

EPHEMERAL = [
    Row("ephemeral", "crashes", "PROCESSES=2 MORE_TURNS=1 CRASHES=1", broken={"restart": HOLDERS}),
    Row("ephemeral", "crashes", "PROCESSES=3 CRASHES=2"),
    Row("ephemeral", "crashes", "PROCESSES=3 MORE_TURNS=1 CRASHES=1", long=True),
    Row("ephemeral", "crashes", "PROCESSES=4 CRASHES=1", long=True),
    Row("ephemeral", "rm P", "PROCESSES=3 REMOVE_P=1", broken={"guard_removed_while_locked": HOLDERS}),
    Row("ephemeral", "own files, rm P", "PROCESSES=3 METHODS=1111 REMOVE_P=1",
        broken={"own_file_looks_for_guard": HOLDERS}),
    Row("ephemeral", "links and own files", "PROCESSES=3 METHODS=0110 CRASHES=1"),
    Row("ephemeral", "rm G", "PROCESSES=3 REMOVE_G=1"),
    Row("ephemeral", "a script", "PROCESSES=2 SCRIPTS=1 CRASHES=1"),
    Row("ephemeral", "a script", "PROCESSES=3 SCRIPTS=1 CRASHES=1", long=True),
]

VERIFYING = [
    Row("verifying", "rm P", "PROCESSES=3 REMOVE_P=2 CRASHES=1"),
    Row("verifying", "rm P", "PROCESSES=4 REMOVE_P=2 CRASHES=1", long=True),
    Row("verifying", "rm P, a script", "PROCESSES=3 REMOVE_P=1 SCRIPTS=1 " + ALONE),
    Row("verifying", "rm P but between a look and what follows",
        "PROCESSES=2 REMOVE_P=1 SCRIPTS=1 SCRIPTS_MAY_MEET=1 NOT_IN_THE_WINDOW=1",
        broken={"verify_looks_at_name": OVERTAKEN, "verify_removes_nothing": DELETED}),
    Row("verifying", "rm G and rm P twice: who was overtaken is told", "PROCESSES=2 REMOVE_P=2 REMOVE_G=1 HOLDERS_MAY_MEET=1"),
    Row("verifying", "the same", "PROCESSES=3 REMOVE_P=2 REMOVE_G=1 HOLDERS_MAY_MEET=1", long=True),
    Row("verifying", "own files, rm P", "PROCESSES=2 METHODS=1111 REMOVE_P=1 CRASHES=1"),
    Row("verifying", "known: own files, rm G and rm P twice",
        "PROCESSES=2 METHODS=1111 REMOVE_P=2 REMOVE_G=1 HOLDERS_MAY_MEET=1", OVERTAKEN),
]
for row in VERIFYING:
    row.settings += " VERIFICATIONS=1"

GUARD_CHECK = [
    Row("guard_check", "lockkit's own", "PROCESSES=3 CRASHES=1"),
    Row("guard_check", "lockkit's own", "PROCESSES=4 MORE_TURNS=1 CRASHES=1", long=True),
    Row("guard_check", "somebody's data linked there", "PROCESSES=2 VICTIM=1"),
    Row("guard_check", "somebody's empty file linked there", "PROCESSES=2 VICTIM=2", broken={"check_guard": DATA}),
    Row("guard_check", "lockkit's own, truncated", "PROCESSES=2 TRUNCATE=1",
        broken={"guard_looked_at_again": REFUSED}),
    Row("guard_check", "data linked there, G removed meanwhile", "PROCESSES=3 VICTIM=1 REMOVE_G=1 CRASHES=1",
        broken={"junk_is_checked": DATA}),
    Row("guard_check", "known: truncated between two holders", "PROCESSES=3 TRUNCATE=1", REFUSED),
]

WAKING = [
    Row("waking", "exclusive", "PROCESSES=2 MORE_TURNS=2",
        broken={"presence_before_last_look": LOST, "word_changes": LOST, "unlock_before_wake": LOST,
                "presence_is_seen": LOST, "sleep_on_the_word_read": LOST, "word_counts": LOST}),
    Row("waking", "a deadline", "PROCESSES=3 TIMED=1", broken={"look_before_deadline": LOST, "word_counts": LOST}),
    Row("waking", "two turns", "PROCESSES=3 MORE_TURNS=1", long=True),
    Row("waking", "two turns, a deadline", "PROCESSES=3 MORE_TURNS=1 TIMED=1", long=True),
    Row("waking", "deadlines", "PROCESSES=4 TIMED=2", long=True),
    Row("waking", "starts that fail", "PROCESSES=3 FAILURES=1", broken={"failure_wakes": LOST}),
    Row("waking", "crashes, slices", "PROCESSES=3 CRASHES=1 SLICES=1", broken={"slice": LOST}),
    Row("waking", "crashes, slices, deadlines", "PROCESSES=4 CRASHES=2 SLICES=1 TIMED=1", long=True),
    Row("waking", "sharers", "PROCESSES=3 SHARERS=2"),
    Row("waking", "sharers", "PROCESSES=4 SHARERS=2", long=True),
    Row("waking", "sharers that stay", "PROCESSES=3 SHARERS=2 STAYING_SHARERS=2",
        broken={"sharer_wakes_others": LOST}),
    Row("waking", "sharers that stay", "PROCESSES=4 SHARERS=3 STAYING_SHARERS=2", long=True),
    Row("waking", "known: a lock tried for an instant by who wakes nobody", "PROCESSES=2 PROBES=1", LOST),
    Row("waking", "the same, slices", "PROCESSES=3 PROBES=1 SLICES=1"),
]

ROWS = EXCLUSION + FALLBACK + EPHEMERAL + VERIFYING + GUARD_CHECK + WAKING
# Each loop of these ends, or a lone process could go round for ever: no state is come to twice.
ENDING = ["exclusion", "ephemeral", "fallback", "verifying", "guard_check"]
