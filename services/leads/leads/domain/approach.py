"""How to approach a lead: the next step, and the way and hours in which it most likely answers.

Rates are those of the company's own tries. A cell (way, hours, segment) has few of them: its rate is drawn towards that
of the same way and hours in all segments, that towards the way's at any hour, that towards the rate of all tries, each
as if PRIOR more tries had gone as the wider rate says (the posterior mean of a beta prior). What the lead itself did
comes last, with a weaker prior: its own answers soon outweigh what others do.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from leads.domain.interaction import InteractionKind
from leads.domain.lead import Lead
from leads.domain.state import State

# Hours of the company's zone, in which people are found alike.
BANDS = ((0, 9), (9, 11), (11, 13), (13, 15), (15, 17), (17, 19), (19, 24))
PRIOR = 20.0
OWN_PRIOR = 4.0
LEAST = 10  # tries of a way at some hours, else it is not recommended
ANSWER_DAYS = 7
COUNTED_DAYS = 365


class Step(Enum):
    ASSIGN = 1
    CALL_BACK = 2
    ANSWER = 3
    CADENCE_STEP = 4
    FIRST_CONTACT = 5
    FOLLOW_UP = 6
    QUALIFY = 7
    CONVERT = 8
    WAIT = 9


SILENT = frozenset({Step.ASSIGN, Step.WAIT})  # nothing is said to them


class Cause(Enum):
    STATE = 1
    RATE = 2
    OWN_ANSWERS = 3
    NOT_ENOUGH_DATA = 4
    LIMITS = 5
    GIVEN = 6
    OUT_OF_REACH = 7


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Tries of one way in one hour of the day with leads of one segment, and how many of them were answered."""

    kind: InteractionKind
    hour: int
    segment: str
    tries: int
    answers: int


@dataclass(frozen=True, kw_only=True)
class Reason:
    cause: Cause
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Option:
    kind: InteractionKind
    start_hour: int
    end_hour: int
    tries: int
    answers: int
    segment_tries: int
    segment_answers: int
    rate: float
    contact_time: datetime | None = None
    unfit: str = ""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known of a lead at a moment. `own`: its own tries and answers by way; what it began itself is both.
    `times`: for each of BANDS the first time at which its owner is at work and the limits allow a contact, if there is
    one. `earliest`: when the limits allow the next contact."""

    lead: Lead
    now: datetime
    earliest: datetime
    times: Sequence[datetime | None]
    own: Mapping[InteractionKind, tuple[int, int]] = field(default_factory=dict)
    cadence_kind: InteractionKind | None = None  # of the next step of its cadence
    cadence_time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Approach:
    lead: str
    step: Step
    kind: InteractionKind | None = None
    start_hour: int = 0
    end_hour: int = 0
    contact_time: datetime | None = None
    enough_data: bool = False
    reasons: list[Reason] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    tries: int = 0
    segment: str = ""
    count_time: datetime | None = None


def step_of(it: Situation) -> tuple[Step, str]:
    """What is to be done next with an open lead, and why."""
    lead = it.lead
    ours, theirs = lead.last_outbound_time, lead.last_inbound_time
    if lead.state is State.NURTURING and it.cadence_kind:
        return Step.CADENCE_STEP, "It is nurtured, and in a cadence for that."
    if lead.state is State.NURTURING:
        return Step.WAIT, "It is nurtured: it is left in peace until it wakes."
    if lead.call_back_time:
        return Step.CALL_BACK, "They asked to be called back."
    if theirs and (ours is None or ours < theirs):
        return Step.ANSWER, "They were in touch, and nobody answered yet."
    if not lead.owner:
        return Step.ASSIGN, "Nobody has it."
    if lead.state is State.QUALIFIED:
        return Step.CONVERT, "It is qualified."
    if it.cadence_kind:
        return Step.CADENCE_STEP, "It is in a cadence."
    if ours is None:
        return Step.FIRST_CONTACT, "Nobody was ever in touch."
    if any(answers for _, answers in it.own.values()):
        return Step.QUALIFY, "They answered before."
    return Step.FOLLOW_UP, "They did not answer yet."


def given_way(step: Step, it: Situation) -> InteractionKind | None:
    """The way that a promise or the cadence says, whatever rates say."""
    if step is Step.CALL_BACK:
        return InteractionKind.CALL
    return it.cadence_kind if step is Step.CADENCE_STEP else None


def band_of(hour: int) -> tuple[int, int]:
    return next(band for band in BANDS if band[0] <= hour < band[1])


def drawn(answers: float, tries: float, towards: float, prior: float = PRIOR) -> float:
    """A rate, drawn towards a wider one."""
    return (answers + prior * towards) / (tries + prior)


def options(counted: Iterable[Counted], it: Situation) -> list[Option]:
    """Every way at all hours at which it was tried, or that this lead used itself; the best first, the unfit last."""
    cells, ways = Counter[tuple[InteractionKind, tuple[int, int]]](), Counter[InteractionKind]()
    answered, answered_ways = cells.copy(), ways.copy()
    here, answered_here = cells.copy(), cells.copy()
    for one in counted:
        cell = one.kind, band_of(one.hour)
        cells[cell] += one.tries
        answered[cell] += one.answers
        ways[one.kind] += one.tries
        answered_ways[one.kind] += one.answers
        if one.segment == it.lead.channel:
            here[cell] += one.tries
            answered_here[cell] += one.answers
    overall = drawn(answered.total(), cells.total(), 0.5, 1.0)
    found = []
    for kind, band in cells:
        of_way = drawn(answered_ways[kind], ways[kind], overall)
        of_hours = drawn(answered[kind, band], cells[kind, band], of_way)
        of_segment = drawn(answered_here[kind, band], here[kind, band], of_hours)
        own_tries, own_answers = it.own.get(kind, (0, 0))
        at = it.times[BANDS.index(band)]
        found.append(
            Option(
                kind=kind,
                start_hour=band[0],
                end_hour=band[1],
                tries=cells[kind, band],
                answers=answered[kind, band],
                segment_tries=here[kind, band],
                segment_answers=answered_here[kind, band],
                rate=drawn(own_answers, own_tries, of_segment, OWN_PRIOR),
                contact_time=at,
                unfit=_unfit(kind, cells[kind, band], at, it.lead),
            )
        )
    return sorted(found, key=lambda one: (bool(one.unfit), -one.rate, -one.tries, one.kind.value, one.start_hour))


def _unfit(kind: InteractionKind, tries: int, at: datetime | None, lead: Lead) -> str:
    if kind is InteractionKind.CHAT:
        return "A chat is theirs to begin."
    if kind in (InteractionKind.CALL, InteractionKind.SMS) and not lead.phone:
        return "The lead has no phone number."
    if kind is InteractionKind.EMAIL and not lead.email:
        return "The lead has no e-mail address."
    if tries < LEAST:
        return f"Not enough data: {_times(tries, 'try', 'tries')}, at least {LEAST} are needed."
    return "" if at else "Nobody is at work at these hours."


def recommend(counted: Sequence[Counted], it: Situation, count_time: datetime | None) -> Approach:
    """What to do next, how and when, with the reasons. Depends on nothing but what is given."""
    step, why = step_of(it)
    weighed, tries = options(counted, it), sum(one.tries for one in counted)
    given = given_way(step, it)
    fit = [one for one in weighed if not one.unfit and given in (None, one.kind)]
    reasons, best = [Reason(cause=Cause.STATE, sentence=why)], fit[0] if fit and step not in SILENT else None
    kind = None if step in SILENT else best.kind if best else given
    at = None if step in SILENT else _when(step, best, it)
    if given:
        said = "They asked for a call" if step is Step.CALL_BACK else f"Its cadence says {_word(given)}"
        reasons.append(Reason(cause=Cause.GIVEN, sentence=f"{said}, whatever rates say."))
    if best:
        reasons += _of_rates(best, it)
    elif step not in SILENT:
        reasons.append(_too_little(weighed, tries))
    if it.earliest > it.now and step not in (*SILENT, Step.CALL_BACK, Step.ANSWER):
        said = f"They were contacted as often as the limits allow: not before {it.earliest:%Y-%m-%d %H:%M} UTC."
        reasons.append(Reason(cause=Cause.LIMITS, sentence=said))
    promised = step is Step.CALL_BACK  # they said when; hours of others do not count
    return Approach(
        lead=it.lead.name,
        step=step,
        kind=kind,
        start_hour=best.start_hour if best and not promised else 0,
        end_hour=best.end_hour if best and not promised else 0,
        contact_time=at,
        enough_data=any(one.tries >= LEAST for one in weighed),
        reasons=reasons,
        options=weighed,
        tries=tries,
        segment=it.lead.channel,
        count_time=count_time,
    )


def _when(step: Step, best: Option | None, it: Situation) -> datetime | None:
    if step is Step.CALL_BACK and it.lead.call_back_time:
        return max(it.lead.call_back_time, it.now)
    if step is Step.ANSWER:  # who waits for an answer does not wait for better hours
        return min((at for at in it.times if at), default=None)
    if step is Step.CADENCE_STEP and it.cadence_time:
        return max(it.cadence_time, it.now)
    return best.contact_time if best else None


def _of_rates(best: Option, it: Situation) -> Iterable[Reason]:
    hours = f"between {best.start_hour} and {best.end_hour} o'clock"
    said = f"{_word(best.kind).capitalize()} {hours}: {best.answers} of {_times(best.tries, 'try', 'tries')} answered"
    if best.segment_tries and it.lead.channel:
        said += f", {best.segment_answers} of {best.segment_tries} with leads of {it.lead.channel}"
    yield Reason(cause=Cause.RATE, sentence=f"{said}; {best.rate:.0%} is to be expected.")
    tries, answers = it.own.get(best.kind, (0, 0))
    if tries:
        said = (
            f"This lead answered {answers} of {_times(tries, 'try', 'tries')} by {_word(best.kind)}, its own included."
        )
        yield Reason(cause=Cause.OWN_ANSWERS, sentence=said)


def _too_little(weighed: Sequence[Option], tries: int) -> Reason:
    """Why no way is recommended."""
    if any(one.tries >= LEAST for one in weighed):
        said = " ".join(dict.fromkeys(one.unfit for one in weighed if one.tries >= LEAST and one.unfit))
        return Reason(cause=Cause.OUT_OF_REACH, sentence=said or "No other way was tried often enough.")
    counted = f"{_times(tries, 'try', 'tries')} in {COUNTED_DAYS} days"
    said = f"Not enough data: {counted}, of no way at any hours the {LEAST} that are needed."
    return Reason(cause=Cause.NOT_ENOUGH_DATA, sentence=said)


def _word(kind: InteractionKind) -> str:
    words = {InteractionKind.EMAIL: "e-mail", InteractionKind.SMS: "short message"}
    return words.get(kind, kind.name.lower())


def _times(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
