"""The planted bugs: each a wrong product that looks right, the scenario that shows it, and the promise it breaks."""

from typing import Final

from tests.faults import planting

BUGS: Final = (
    planting.Bug(
        name="ack-before-store",
        what="a record counts as finished when its jobs are taken, not when their ends are stored",
        scenario="lost-worker",
        breaks="accept",
        patches=(
            planting.Patch(
                path="workers/execution.py",
                was="            alone, groups = claims.apart(run)\n",
                becomes="            alone, groups = claims.apart(run)\n"
                "            for job in batch:\n                self._over(job)\n",
            ),
        ),
    ),
    planting.Bug(
        name="take",
        what="faust's own take(): a batch whose body raised is acknowledged",
        scenario="raising-body",
        breaks="accept",
        patches=(
            planting.Patch(
                path="workers/execution.py",
                was="                self._running.pop(job.id, None)\n",
                becomes="                self._running.pop(job.id, None)\n                self._over(job)\n",
            ),
        ),
    ),
    planting.Bug(
        name="new-offset",
        what="faust's own Consumer._new_offset: what is finished is committed past a gap",
        scenario="gap",
        breaks="commit",
        patches=(
            planting.Patch(
                path="workers/offsets.py",
                was="        reached = self._open[0] if self._open else self.position\n",
                becomes="        reached = self._open[0] if self._open else self.position\n"
                "        if self._finished:\n            reached = max(self._finished) + 1\n",
            ),
        ),
    ),
    planting.Bug(
        name="no-token",
        what="an end is stored whoever brings it",
        scenario="late-answer",
        breaks="fence",
        patches=(
            planting.Patch(
                path="results/scripts/finish.lua",
                was="local mine = sub(was, 4, 19) == sub(mark, 2, 17)",
                becomes="local mine = true",
            ),
        ),
    ),
    planting.Bug(
        name="cache-without-version",
        what="an input is answered from the cache whatever version gave that answer",
        scenario="two-versions",
        breaks="cache",
        patches=(
            planting.Patch(
                path="results/cache.py",
                was='b"model %d version %d %b %b" % (model_uid, version, kind',
                becomes='b"model %d %b %b" % (model_uid, kind',
            ),
            planting.Patch(
                path="results/cache.py",
                was="        and record.version == version\n",
                becomes="",
            ),
        ),
    ),
    planting.Bug(
        name="last-end-wins",
        what="a second end is stored over the first",
        scenario="later-answer",
        breaks="end",
        patches=(
            planting.Patch(
                path="results/scripts/finish.lua",
                was="local mine = sub(was, 4, 19) == sub(mark, 2, 17)",
                becomes="local mine = true",
            ),
            planting.Patch(
                path="results/scripts/finish.lua",
                was="if mine and sub(was, 1, 1) == 'R' then",
                becomes="if mine then",
            ),
        ),
    ),
    planting.Bug(
        name="cancel-forgotten",
        what="a job that was canceled in its queue starts all the same",
        scenario="queue",
        breaks="cancel",
        patches=(
            planting.Patch(
                path="results/scripts/claim.lua",
                was="if status ~= 'R' and status ~= 'Q' then",
                becomes="if status ~= 'R' and status ~= 'Q' and status ~= 'C' then",
            ),
        ),
    ),
    planting.Bug(
        name="swapped",
        what="the answers of a batch go to its jobs in another order",
        scenario="queue",
        breaks="swapped",
        patches=(
            planting.Patch(
                path="workers/predicting.py",
                was="            return ran.outcomes, spent\n",
                becomes="            return ran.outcomes[::-1], spent\n",
            ),
        ),
    ),
    planting.Bug(
        name="batch-fails-together",
        what="an input that raises fails its whole batch",
        scenario="queue",
        breaks="neighbours",
        patches=(
            planting.Patch(
                path="workers/predicting.py",
                was="        if (shared or innocent) and not final:\n",
                becomes="        if innocent and not final:\n",
            ),
        ),
    ),
)
