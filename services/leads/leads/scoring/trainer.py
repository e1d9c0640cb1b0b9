"""The training process: reads closed leads from its input, tells a report on its output, and touches nothing else.

A process of its own, of low priority: calls of the service that started it are not held up, and what training needs in
memory is gone afterwards.
"""

import os
import sys

import msgspec

from leads.scoring.backtest import Closed, NothingToTest, backtest, cut_at
from leads.scoring.report import Asked, FieldNote, Report, Said

NICENESS = 10
SHARE = 0.2
NOWHERE = "is no field of any closed lead"


def main() -> None:
    os.nice(NICENESS)
    source = sys.stdin.buffer
    asked = msgspec.json.decode(source.readline(), type=Asked)
    decoder = msgspec.json.Decoder(Closed)
    leads = [decoder.decode(line) for line in source]
    say(Said(progress=0.02, step="loading"))
    from leads.scoring.training import NothingKnown, TooFew

    try:
        say(Said(progress=1.0, report=report(asked, leads)))
    except NothingKnown as nothing:
        say(Said(failure=f"nothing is known of closed leads that could be learned from: {nothing}"))
    except TooFew as few:
        say(Said(failure=f"there are too few closed leads to learn from: {few}"))


def report(asked: Asked, leads: list[Closed]) -> Report:
    from leads.scoring.training import MANY, TooFew, train

    known = {name for lead in leads for name in lead.record}
    leave_out = [name for name in known if any(_covers(one, name) for one in asked.leave_out)]
    trained = train(
        [lead.record for lead in leads],
        [lead.won for lead in leads],
        [lead.team for lead in leads],
        leave_out=leave_out,
        progress=lambda done, step: say(Said(progress=0.05 + 0.6 * done, step=step)),
    )
    notes = [FieldNote(field=name, why=why) for name, why in sorted(trained.left_out.items())]
    notes += [FieldNote(field=name, why=why) for name, why in sorted(asked.not_told.items())]
    notes += [
        FieldNote(field=one, why="as was asked" if any(_covers(one, name) for name in known) else NOWHERE)
        for one in asked.leave_out
    ]
    notes += [FieldNote(field=leak.field, why=leak.why, left_out=False) for leak in trained.leaks if not leak.certain]
    past = None
    if leads:
        say(Said(progress=0.7, step="testing on the latest leads"))
        try:
            # Which learners, and how blended, is chosen again only where that is quick: it is three numbers.
            blend = trained.blend if len(leads) > MANY else None
            past = backtest(leads, cut_at(leads, asked.backtest_share or SHARE), leave_out=leave_out, blend=blend)
        except (TooFew, NothingToTest):
            past = None
    return Report(
        model=trained.model.to_json().decode(),
        learner=trained.chosen,
        calibration=trained.calibrated,
        fields=[item.name for item in trained.model.fields],
        notes=notes,
        metrics=trained.metrics,
        backtest=past.metrics if past else None,
        backtest_time=past.cut if past else None,
    )


def _covers(asked: str, name: str) -> bool:
    """`labels` is all of them, `custom.tags` each of its values."""
    return name == asked or name.startswith(f"{asked}.")


def say(line: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()
