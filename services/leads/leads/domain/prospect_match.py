"""Which leads may be of a prospect's company, by the code that compares leads, and by rules of their own: a company
says more of a company than of a person, and so does the domain of its web site."""

from collections.abc import Iterable

from leads.domain.duplicate import Agreement, Candidate, DuplicateVerdict, Evidence
from leads.domain.enrichment import FREE_MAIL
from leads.domain.prospect import Prospect, ProspectMatch, domain_of
from leads.matching.rules import Comparator, FieldRule, MatchRules
from leads.matching.scoring import Match, Verdict, explain, prepare_record

# Of two records at hand one in 256 is of the same company. The name alone is for a person to look at, and a name that
# is nearly the same; the name and the domain are certain. A company has several domains, and several numbers.
RULES = MatchRules(
    fields=(
        FieldRule(field="company", comparator=Comparator.COMPANY, points=(-6, 1, 8, 11)),
        FieldRule(field="domain", comparator=Comparator.CODE, points=(-2, -1, 0, 10)),
        FieldRule(field="email", comparator=Comparator.EMAIL, points=(0, 0, 2, 9)),
        FieldRule(field="phone", comparator=Comparator.PHONE, points=(0, 0, 6, 9)),
    ),
    prior=-8,
    review=0,
    auto=10,
)
CALLED_THE_SAME = Evidence(field="company", agreement=Agreement.SAME, points=11)


def compared(prospect: Prospect, e164: str, digits: str) -> Candidate:
    """As much of a prospect as is compared; nobody is told apart by name."""
    return Candidate(
        id=prospect.id,
        display_name="",
        company=prospect.company,
        email=prospect.email,
        phone_e164=e164,
        phone_digits=digits,
    )


def matched(prospect: Prospect, mine: Candidate, others: Iterable[Candidate], account: str) -> ProspectMatch | None:
    """The likeliest lead, and the account called the same; None if neither is there."""
    domain = domain_of(prospect.website) or _mail_domain(prospect.email)
    told = prepare_record(_said(mine, domain), RULES)
    best: tuple[float, str, Match] | None = None
    for other in others:
        match = explain(told, prepare_record(_said(other, _mail_domain(other.email)), RULES), RULES)
        if match.verdict(RULES) is Verdict.DISTINCT:
            continue
        if best is None or (match.score, other.name) > best[:2]:  # of two alike the one that was recorded last
            best = match.score, other.name, match
    if best is None:
        return ProspectMatch(account=account, evidence=[CALLED_THE_SAME]) if account else None
    _, name, match = best
    verdict = DuplicateVerdict.CERTAIN if match.verdict(RULES) is Verdict.AUTO else DuplicateVerdict.REVIEW
    evidence = [
        Evidence(field=line.field, agreement=Agreement[line.level.name], points=line.points) for line in match.evidence
    ]
    return ProspectMatch(lead=name, account=account, verdict=verdict, evidence=evidence)


def _said(one: Candidate, domain: str) -> dict[str, str]:
    phone = one.phone_e164 or one.phone_digits
    return {"company": one.company, "domain": domain, "email": one.email, "phone": phone}


def _mail_domain(email: str) -> str:
    domain = email.rpartition("@")[2]
    return "" if domain in FREE_MAIL else domain
