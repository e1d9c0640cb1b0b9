"""Closed leads made up for tests of the predictive score: their chances are known, their outcomes drawn."""

import math
import random

ORIGINS = {"сайт": 0.2, "推荐": 1.6, "anúncio": -0.9, "Google": 0.0, "": -0.4}
TRAITS = {"teams/north": 0.9, "teams/south": -0.9}


def closed_leads(number: int, seed: int = 1, teams: bool = False) -> tuple[list[dict], list[int], list[str]]:
    """Records, outcomes and teams. What counts: origin, hours on the site, the page (of about 60), and the team."""
    draw = random.Random(seed)
    records, won, named = [], [], []
    for _ in range(number):
        origin, page, hours = draw.choice(list(ORIGINS)), draw.randrange(60), draw.expovariate(0.5)
        team = draw.choice(list(TRAITS)) if teams else ""
        odds = -0.6 + 1.5 * ORIGINS[origin] + 0.5 * min(hours, 4) + 0.8 * math.sin(page) + TRAITS.get(team, 0)
        records.append(
            {
                "origin": origin,
                "page": f"страница-{page}",
                "hours": f"{hours:.2f}" if draw.random() < 0.9 else "",
                "wants_mail": draw.random() < 0.5,
                "first_contact": f"2026-0{draw.randrange(1, 9)}-1{draw.randrange(10)}",
                "noise": f"n{draw.randrange(200)}",
                "reference": f"{draw.getrandbits(64):x}",
            }
        )
        won.append(int(draw.random() < 1 / (1 + math.exp(-odds))))
        named.append(team)
    return records, won, named
