"""Assignment policies: ordered rules, each with conditions on a lead and the people who take what meets them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar

from chassis.custom_values import NONE, Definition, Values, as_text
from chassis.custom_values import NUMBERS as NUMBER_TYPES
from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record

FALLBACK = "fallback"


class PolicyActiveAlready(FailedPrecondition):
    "New leads are given out by this policy already."


class PolicyNotActive(FailedPrecondition):
    "New leads are not given out by this policy."


class NoActivePolicy(FailedPrecondition):
    "No assignment policy is active; name one, or activate one."


class Fact(Enum):
    """What a condition looks at."""

    CHANNEL = 1
    LANDING_PAGE = 2
    COUNTRY = 3
    REGION = 4
    LANGUAGE = 5
    PRODUCT = 6
    LABEL = 7
    SCORE = 8
    COMPANY_SIZE = 9
    CUSTOM = 10
    MATERIAL = 11


NUMBERS = frozenset({Fact.SCORE, Fact.COMPANY_SIZE})


class Strategy(Enum):
    """How one of several people is chosen."""

    EVEN = 1  # as many for each
    WEIGHTED = 2  # in proportion to their capacities
    LEAST_LOADED = 3  # who has the fewest open leads
    ROUND_ROBIN = 4  # in the order of names
    ACCOUNT_OWNER = 5  # who has the customer already; nobody else
    MATERIAL_SHARER = 6  # who shared the material that the lead came in by; nobody else


# A lead says itself to whom such a rule gives it: by which of its facts.
OF_THE_LEAD = {Strategy.ACCOUNT_OWNER: "account_owner", Strategy.MATERIAL_SHARER: "shared_by"}


@dataclass(frozen=True, kw_only=True)
class LeadFacts:
    """What the rules know of a lead. Nobody in `not_to` gets it: they handed it over or rejected it."""

    lead: str
    at: datetime
    channel: str = ""
    landing_page: str = ""
    country: str = ""
    region: str = ""
    language: str = ""
    product: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    score: float | None = None
    company_size: float | None = None
    custom: Values = field(default_factory=dict)
    account_owner: str = ""
    material: str = ""
    shared_by: str = ""
    not_to: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A test of one fact; everything it says must hold. Texts are compared without regard to case; a language also
    covers its regions (`pt` covers `pt-BR`). A number that is not known is neither large nor small."""

    fact: Fact
    label: str = ""  # which one, of the fact LABEL
    any_of: list[str] = field(default_factory=list)
    none_of: list[str] = field(default_factory=list)
    at_least: float = 0
    at_most: float = 0  # 0: no such bound
    custom: str = ""  # which of the company's own fields, of the fact CUSTOM

    def met_by(self, facts: LeadFacts) -> bool:
        if self.fact in NUMBERS:
            return self._holds(getattr(facts, self.fact.name.lower()))
        if self.fact is Fact.CUSTOM:
            return self._own_meets(facts.custom.get(self.custom, ""))
        if self.fact is Fact.LABEL and not (self.any_of or self.none_of):
            return self.label in facts.labels
        text = facts.labels.get(self.label, "") if self.fact is Fact.LABEL else getattr(facts, self._attribute)
        if self.any_of and not self._is_one(text, self.any_of):
            return False
        return not self._is_one(text, self.none_of)

    def _own_meets(self, value: Any) -> bool:
        """Whether a value of a company-defined field is as it should be; of several, one is enough."""
        if self.at_least or self.at_most:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return self._holds(value if is_number else None)
        texts = [as_text(one) for one in (value if isinstance(value, list) else [value])]
        if self.any_of and not any(self._is_one(text, self.any_of) for text in texts):
            return False
        return not any(self._is_one(text, self.none_of) for text in texts)

    @property
    def _attribute(self) -> str:
        return self.fact.name.lower()

    def _holds(self, number: float | None) -> bool:
        if number is None:
            return False
        return number >= self.at_least and (not self.at_most or number <= self.at_most)

    def _is_one(self, text: str, of: Sequence[str]) -> bool:
        found, wanted = text.casefold(), [one.casefold() for one in of]
        if found in wanted:
            return True
        return self.fact is Fact.LANGUAGE and any(found.startswith(f"{one}-") for one in wanted)

    def wrong(self, own: Mapping[str, Definition]) -> Iterator[tuple[str, str]]:
        """What is wrong with it: (path, description) pairs. `own`: the company's own fields of leads."""
        says = bool(self.any_of or self.none_of)
        bounds = bool(self.at_least or self.at_most)
        defined = own.get(self.custom)
        is_number = self.fact in NUMBERS or (defined is not None and defined.type in NUMBER_TYPES)
        if self.fact is Fact.CUSTOM and (defined is None or defined.archived):
            yield "custom", f"{self.custom or 'it'} is no field in use of leads"
        elif is_number and (says or not bounds):
            yield "fact", f"{self.custom or self.fact.name} is a number: say at_least or at_most"
        elif not is_number and (bounds or not (says or self.fact is Fact.LABEL)):
            yield "fact", f"{self.custom or self.fact.name} is a text: say any_of or none_of"
        if self.custom and self.fact is not Fact.CUSTOM:
            yield "custom", "is said with the fact CUSTOM, and only then"
        if (self.fact is Fact.LABEL) != bool(self.label):
            yield "label", "is said with the fact LABEL, and only then"
        if self.at_most and self.at_least > self.at_most:
            yield "at_least", "is more than at_most: nothing would meet it"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Leads that meet every condition go to one of these people. If none may take one, the next rule is asked."""

    rule: str
    display_name: str = ""
    conditions: list[Condition] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    strategy: Strategy = Strategy.EVEN
    at_work_only: bool = False  # else also who is at home; never who is on leave

    def unmet(self, facts: LeadFacts) -> int | None:
        """The number of the first condition that the lead does not meet; None if it meets all."""
        return next((number for number, one in enumerate(self.conditions) if not one.met_by(facts)), None)


@dataclass(kw_only=True)
class AssignmentPolicy(Record):
    """How a company gives its leads to people. Never changed: what is to change is another one, and the decisions made
    by this one stay explained."""

    collection: ClassVar[str] = "assignmentPolicies"

    display_name: str
    number: int = 0
    rules: list[Rule] = field(default_factory=list)
    fallback: Rule | None = None
    active: bool = False
    activate_time: datetime | None = None

    @property
    def in_order(self) -> list[Rule]:
        return [*self.rules, *([self.fallback] if self.fallback else [])]

    @property
    def teams(self) -> set[str]:
        return {team for rule in self.in_order for team in rule.teams}

    @property
    def people(self) -> set[str]:
        return {person for rule in self.in_order for person in rule.people}

    def uses(self, strategy: Strategy) -> bool:
        return any(rule.strategy is strategy for rule in self.in_order)

    def asks(self, fact: Fact) -> bool:
        return any(condition.fact is fact for rule in self.rules for condition in rule.conditions)

    def activate(self, at: datetime) -> "AssignmentPolicyActivated":
        if self.active:
            raise PolicyActiveAlready(policy=self.name)
        self.active, self.activate_time = True, at
        return AssignmentPolicyActivated(assignment_policy=self, event_time=at)

    def deactivate(self, at: datetime) -> "AssignmentPolicyDeactivated":
        if not self.active:
            raise PolicyNotActive(policy=self.name)
        self.active = False
        return AssignmentPolicyDeactivated(assignment_policy=self, event_time=at)

    def check(self, own: Mapping[str, Definition] = NONE) -> None:
        """InvalidFields if a rule could not be followed. Names the fallback. `own`: the company's fields of leads."""
        wrong: list[tuple[str, str]] = []
        seen: set[str] = set()
        if not self.in_order:
            wrong.append(("rules", "is empty, and there is no fallback: nobody would get anything"))
        for number, rule in enumerate(self.rules):
            where = f"rules[{number}]"
            if not rule.rule or rule.rule in seen or rule.rule == FALLBACK:
                wrong.append((f"{where}.rule", f"{rule.rule} is taken" if rule.rule else "is needed"))
            seen.add(rule.rule)
            wrong += [(f"{where}.{path}", said) for path, said in _wrong(rule, own)]
        if self.fallback:
            self.fallback = replace(self.fallback, rule=FALLBACK)
            wrong += [(f"fallback.{path}", said) for path, said in _wrong(self.fallback, own)]
            if self.fallback.conditions:
                wrong.append(("fallback.conditions", "are not asked: it takes what no rule took"))
        if wrong:
            raise InvalidFields(*((f"assignment_policy.{path}", said) for path, said in wrong))


def _wrong(rule: Rule, own: Mapping[str, Definition]) -> Iterator[tuple[str, str]]:
    if not rule.teams and not rule.people and rule.strategy not in OF_THE_LEAD:
        yield "teams", "names nobody: say teams or people"
    for number, condition in enumerate(rule.conditions):
        for path, said in condition.wrong(own):
            yield f"conditions[{number}].{path}", said


@dataclass(kw_only=True)
class AssignmentDuty(Record):
    """Which policy new leads are given out by; empty: none. There is one. Whoever gives out leads holds its row."""

    collection: ClassVar[str] = "assignmentDuties"
    ID: ClassVar[str] = "duty"

    id: str = ID
    policy: str = ""


@dataclass(frozen=True, kw_only=True)
class AssignmentPolicyCreated:
    assignment_policy: AssignmentPolicy
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class AssignmentPolicyActivated:
    assignment_policy: AssignmentPolicy
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class AssignmentPolicyDeactivated:
    assignment_policy: AssignmentPolicy
    event_time: datetime
