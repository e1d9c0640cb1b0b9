"""Gives leads to people by a policy, one after the other, and says of each why."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import cached_property

from leads.domain.assignment.decision import MOST_TOLD, Candidate, Decision, PassedRule, Passing
from leads.domain.assignment.person import Desk, Person, Presence, Presences, Verdict
from leads.domain.assignment.policy import OF_THE_LEAD, AssignmentPolicy, LeadFacts, Rule, Strategy
from leads.domain.assignment.turns import Turn

SHARED = (Strategy.EVEN, Strategy.WEIGHTED)


@dataclass(frozen=True)
class _View:
    """A rule's candidates at a moment, with the verdict on each; who might get the lead has none yet."""

    rule: Rule
    at: datetime
    free: list[str]
    refused: dict[str, Verdict]

    def without(self, those: Set[str]) -> "_View":
        free = [name for name in self.free if name not in those]
        gone = {name: Verdict.HAD_IT for name in self.free if name in those}
        return _View(self.rule, self.at, free, self.refused | gone)


class Assigner:
    """The state while leads are given out: desks fill up, turns pass on. `turns` (rule → turn) is kept from one time to
    the next; it is changed. `zone` says when a day begins."""

    def __init__(
        self,
        policy: AssignmentPolicy,
        people: Iterable[Person],
        turns: dict[str, Turn],
        presence: Presences,
        zone: tzinfo,
    ) -> None:
        self.policy, self.turns, self._zone = policy, turns, zone
        self._presence = presence
        self._desks = {person.name: Desk(person) for person in people}
        self._candidates = {rule.rule: self._candidates_of(rule) for rule in policy.in_order}
        self._views: dict[str, _View] = {}  # by rule, of the last moment asked about, until somebody's desk is full

    @property
    def seed(self) -> str:
        """Settles ties. Each version of a policy has its own, so that nobody is first in all of them."""
        return self.policy.id

    @cached_property
    def _weights(self) -> dict[str, float]:
        """Capacities; who has none said counts like the average of the others."""
        known = {name: desk.person.capacity for name, desk in self._desks.items()}
        said = [capacity for capacity in known.values() if capacity]
        average = sum(said) / len(said) if said else 1.0
        return {name: average if capacity is None else float(capacity) for name, capacity in known.items()}

    def _candidates_of(self, rule: Rule) -> list[str]:
        """In the order in which they win ties: shuffled by the seed, whatever the order they came in."""
        teams = set(rule.teams)
        named = {name for name, desk in self._desks.items() if desk.person.team in teams and desk.person.team}
        return sorted(named | set(rule.people), key=lambda name: (_digest(f"{self.seed} {rule.rule} {name}"), name))

    def decide(self, facts: LeadFacts) -> Decision:
        """Gives one lead to somebody, or says that nobody can take it."""
        passed: list[PassedRule] = []
        views: list[_View] = []
        for rule in self.policy.in_order:
            unmet = rule.unmet(facts)
            if unmet is not None:
                passed.append(PassedRule(rule=rule.rule, why=Passing.CONDITION_NOT_MET, condition=unmet))
                continue
            view = self._view(rule, facts)
            views.append(view)
            if view.free:
                return self._give(facts, view, views, passed)
            passed.append(PassedRule(rule=rule.rule, why=Passing.NOBODY_FREE))
        return self._decision(facts, passed, *self._told(views, "", {}))

    def _view(self, rule: Rule, facts: LeadFacts) -> _View:
        if rule.strategy in OF_THE_LEAD:
            return self._own_view(rule, facts)
        view = self._views.get(rule.rule)
        if view is None or view.at != facts.at:
            view = self._views[rule.rule] = self._looked_at(rule, self._candidates[rule.rule], facts.at)
        return view if facts.not_to.isdisjoint(view.free) else view.without(facts.not_to)

    def _own_view(self, rule: Rule, facts: LeadFacts) -> _View:
        """A rule that goes by what the lead says and names nobody takes whoever that is."""
        owner = getattr(facts, OF_THE_LEAD[rule.strategy])
        named = self._candidates[rule.rule] if rule.teams or rule.people else [owner] if owner else []
        view = self._looked_at(rule, [owner] if owner in named else [], facts.at)
        view = view if facts.not_to.isdisjoint(view.free) else view.without(facts.not_to)
        view.refused.update({name: Verdict.NOT_THE_OWNER for name in named if name != owner})
        return view

    def _looked_at(self, rule: Rule, names: list[str], at: datetime) -> _View:
        day = self._day(at)
        refused: dict[str, Verdict] = {}
        free: list[str] = []
        for name in names:
            verdict = self._verdict(name, rule, at, day)
            if verdict is None:
                free.append(name)
            else:
                refused[name] = verdict
        return _View(rule, at, free, refused)

    def _verdict(self, name: str, rule: Rule, at: datetime, day: date) -> Verdict | None:
        desk = self._desks.get(name)
        if desk is None:
            return Verdict.NOT_ACTIVE
        refusal = desk.refuses(day)
        if refusal is not None:
            return refusal
        presence = self._presence(name, at)
        if presence is Presence.ON_LEAVE:
            return Verdict.ON_LEAVE
        return Verdict.OFF_HOURS if rule.at_work_only and presence is not Presence.AT_WORK else None

    def _day(self, at: datetime) -> date:
        return at.astimezone(self._zone).date()

    def _give(self, facts: LeadFacts, view: _View, views: list[_View], passed: list[PassedRule]) -> Decision:
        rule, turn, day = view.rule, self.turns.setdefault(view.rule.rule, Turn()), self._day(facts.at)
        due = dict(turn.due)
        owner = self._choose(rule, turn, view.free, day)
        desk = self._desks[owner]
        told = self._told(views, owner, due)
        desk.take(day)
        if desk.refuses(day):
            self._views.clear()
        return self._decision(facts, passed, *told, owner=owner, team=desk.person.team, rule=rule.rule)

    def _choose(self, rule: Rule, turn: Turn, free: list[str], day: date) -> str:
        match rule.strategy:
            case Strategy.EVEN:
                return turn.share(dict.fromkeys(free, 1.0))
            case Strategy.WEIGHTED:
                return turn.share({name: self._weights[name] for name in free})
            case Strategy.ROUND_ROBIN:
                return turn.rotate(free)
            case Strategy.LEAST_LOADED:
                return min(free, key=lambda name: (self._desks[name].open_leads, self._desks[name].taken(day)))
            case Strategy.ACCOUNT_OWNER | Strategy.MATERIAL_SHARER:
                return free[0]

    def _told(self, views: list[_View], owner: str, due: Mapping[str, float]) -> tuple[list[Candidate], dict[str, int]]:
        """The candidates a decision names, the chosen one first, and how many others there were by verdict."""
        told: list[tuple[str, Rule, Verdict]] = [(owner, views[-1].rule, Verdict.CHOSEN)] if owner else []
        others: Counter[str] = Counter()
        for view in reversed(views):
            room = MOST_TOLD - len(told)
            free = [name for name in view.free[: room + 1] if name != owner][:room]
            told += [(name, view.rule, Verdict.OUT_OF_TURN) for name in free]
            others[Verdict.OUT_OF_TURN.name] += len(view.free) - len(free) - (owner in view.free)
            room -= len(free)
            refused = list(view.refused.items())
            told += [(name, view.rule, verdict) for name, verdict in refused[:room]]
            others.update(verdict.name for _, verdict in refused[room:])
        named = [
            Candidate(person=name, rule=rule.rule, verdict=verdict, standing=self._standing(name, rule, due))
            for name, rule, verdict in told
        ]
        return named, {verdict: number for verdict, number in others.items() if number}

    def _standing(self, name: str, rule: Rule, due: Mapping[str, float]) -> float:
        if rule.strategy in SHARED:
            return round(due.get(name, 0.0), 6)
        return float(self._desks[name].open_leads) if name in self._desks else 0.0

    def _decision(
        self,
        facts: LeadFacts,
        passed: list[PassedRule],
        candidates: list[Candidate],
        others: dict[str, int],
        **given: str,
    ) -> Decision:
        return Decision(
            lead=facts.lead,
            decide_time=facts.at,
            policy=self.policy.name,
            seed=self.seed,
            passed=passed,
            candidates=candidates,
            others=others,
            **given,
        )


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
