"""What happens to each lead. The choices come from a fixed seed: every sample company is the same one."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from crmctl.sample.company import CHANNELS, PAGES, SELLERS

_SEED = 2026
_LONG_AGO, _LATELY = (60, 150), (2, 40)  # Days before today.


class Reached(IntEnum):
    """How far a lead has come. A later one includes the earlier ones."""

    NEW = 1
    ASSIGNED = 2
    WORKING = 3
    QUALIFIED = 4
    CONVERTED = 5
    WON = 6
    IN_APPROVAL = 7
    ACTIVE = 8


@dataclass(frozen=True)
class Story:
    """A lead and its way. `amount` is what its deal is worth, in euros; `ended` is "", "disqualified" or "lost"."""

    number: int
    person: str
    company: str
    reached: Reached
    ended: str
    owner: str
    channel: str
    page: str
    contact_days: int
    pace_days: int
    amount: int
    orders: int
    cases: int

    @property
    def email(self) -> str:
        """Made up, like the person."""
        return f"contact{self.number:02d}@example.org"

    def at(self, step: int, anchor: datetime) -> datetime:
        """When a step was taken: steps follow each other at the lead's own pace, none after `anchor`."""
        return anchor - timedelta(
            days=max(self.contact_days - step * self.pace_days, 0), minutes=7 * self.number - step
        )


_CAST = (
    ("Стоян Иванов", "Rila Outdoor", Reached.ACTIVE),
    ("王芳", "Jasmine Trading", Reached.ACTIVE),
    ("Beatriz Costa", "Porto Cerâmica", Reached.ACTIVE),
    ("James Walker", "Walker & Sons", Reached.ACTIVE),
    ("Елена Тодорова", "Роза Козметика", Reached.IN_APPROVAL),
    ("Miguel Santos", "Santos Móveis", Reached.WON),
    ("张敏", "Blue Lantern", Reached.CONVERTED),
    ("Sophie Turner", "Turner Optics", Reached.CONVERTED),
    ("Николай Георгиев", "Витоша Софт", Reached.QUALIFIED),
    ("Camila Rocha", "Rocha Têxtil", Reached.QUALIFIED),
    ("刘洋", "Harbour Tools", Reached.WORKING),
    ("Oliver Hughes", "Hughes Garden", Reached.WORKING),
    ("Десислава Маринова", "Морска Звезда", Reached.WORKING),
    ("Tiago Ferreira", "Ferreira Café", Reached.ASSIGNED),
    ("陈静", "Paper Crane", Reached.ASSIGNED),
    ("Amelia Reed", "Reed Music", Reached.ASSIGNED),
    ("Пламен Колев", "Колев Транс", Reached.NEW),
    ("Larissa Nunes", "Nunes Moda", Reached.NEW),
    ("赵磊", "Red Maple Foods", Reached.NEW),
    ("Henry Ward", "Ward Cycles", Reached.NEW),
    ("Rafael Lima", "Lima Esportes", Reached.WORKING),
    ("Grace Bennett", "Bennett Books", Reached.WORKING),
)
_ENDED = {8: "lost", 21: "disqualified", 22: "disqualified"}  # By number.


def stories() -> list[Story]:
    """The same twenty-two, every time."""
    chance = random.Random(_SEED)
    told = []
    for number, (person, company, reached) in enumerate(_CAST, 1):
        active = reached is Reached.ACTIVE
        told.append(
            Story(
                number=number,
                person=person,
                company=f"{company} (sample)",
                reached=reached,
                ended=_ENDED.get(number, ""),
                owner=SELLERS[number % len(SELLERS)] if reached > Reached.NEW else "",
                channel=chance.choice(list(CHANNELS)),
                page=chance.choice(list(PAGES)),
                contact_days=chance.randrange(*(_LONG_AGO if reached > Reached.QUALIFIED else _LATELY)),
                pace_days=chance.randrange(2, 10),
                amount=chance.randrange(8, 120) * 100,
                orders=chance.randrange(1, 4) if active else 0,
                cases=chance.randrange(1, 3) if active else 0,
            )
        )
    return told
