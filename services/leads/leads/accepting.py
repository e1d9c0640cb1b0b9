"""Decides about prospects: what is accepted becomes a lead by way of a capture, as everything that comes in."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from chassis.convert import to_message
from chassis.errors import CrmError, InvalidFields, RecordNotFound
from chassis.values import id_of, is_uuid
from chassis.work import Work
from crm.leads.v1 import prospects_pb2 as pb

from leads import capturing, prospecting
from leads.domain.account_key import account_key
from leads.domain.capture import Capture, CaptureState, Kind
from leads.domain.prospect import Prospect, ProspectKnown, ProspectMatch, ProspectState, ProspectTaken
from leads.domain.prospect_search import ProspectSearch

Accepted = pb.AcceptProspectsResponse.Result
Dismissed = pb.DismissProspectsResponse.Result
SOURCE, INDUSTRY = "prospect_source", "industry"  # labels of a lead


class _Accepting:
    """What is known of prospects that are accepted in one call: looked up once for all of them."""

    def __init__(self, work: Work, *, even_if_known: bool) -> None:
        self._work, self._even_if_known = work, even_if_known
        self._captures: dict[str, Capture] = {}  # by their keys, as plans are: several searches may find the same
        self._plans: dict[str, capturing.Plan] = {}
        self._matches: dict[str, ProspectMatch | None] = {}
        self._companies: set[str] = set()  # of leads made by this call
        self._made: set[str] = set()

    async def look(self, prospects: Sequence[Prospect], channels: dict[str, str]) -> None:
        work = self._work
        await prospecting.withhold(prospects, work)  # who said no since they were found
        # Before the captures: a lead of theirs that is found was made by one that is found then.
        matches = await prospecting.known_here(prospects, work)
        keys = sorted({one.capture_key for one in prospects})
        found = await work.find(Capture, kind=Kind.PROSPECT.name, capture_key=keys) if keys else []
        known = {one.capture_key or "": one for one in found}
        made: dict[str, Capture] = {}
        for one in prospects:
            if one.capture_key not in known:
                made.setdefault(one.capture_key, self._captured(one, channels[one.prospect_search]))
        self._captures = known | made
        plans = await capturing.plan_many(list(made.values()), work)
        self._plans = dict(zip(made, plans, strict=True))
        self._matches = {one.id: match for one, match in zip(prospects, matches, strict=True)}

    def _captured(self, one: Prospect, channel: str) -> Capture:
        capture = one.captured(channel, self._work.now)
        capture.owner, capture.team = self._work.caller.actor, self._work.caller.team
        return capture

    async def accept(self, one: Prospect) -> Accepted:
        work, capture, outcome = self._work, self._captures[one.capture_key], Accepted.ADDED
        if capture.state is not CaptureState.REFUSED:  # taken in before, as another search found it
            if not work.sees(capture):
                raise ProspectTaken(name=one.name)
        else:
            plan, company = self._plans[one.capture_key], account_key(one.company)
            if plan.reason:
                raise InvalidFields(("", plan.reason))
            self._refuse_known(one, plan, company)
            if plan.lead:
                outcome = Accepted.CREATED
                plan.lead.region, plan.lead.company_size = one.region, one.employees
                plan.lead.labels = {SOURCE: one.source} | ({INDUSTRY: one.industry} if one.industry else {})
                self._made.add(plan.lead.id)
            work.add(capture)
            await capturing.carry_out(plan, capture, work)
            self._companies.add(company)
        one.accept(capture.lead, work.caller.actor, work.now)
        return Accepted(name=one.name, outcome=outcome, lead=capture.lead)

    def _refuse_known(self, one: Prospect, plan: capturing.Plan, company: str) -> None:
        """Who has the address or number of a lead that is there is that lead; else the company is looked at."""
        if self._even_if_known:
            return
        if plan.existing:
            known = not plan.existing.version and plan.existing.id not in self._made  # one that was refused just now
        else:
            known = bool(self._matches[one.id]) or company in self._companies
        if known:
            raise ProspectKnown(name=one.name)

    def match_of(self, one: Prospect) -> ProspectMatch | None:
        return self._matches.get(one.id)


async def accept(names: Sequence[str], *, even_if_known: bool, work: Work) -> list[Accepted]:
    work.retry_conflicts = True  # somebody else accepts the same at this moment: look again
    prospects = await _within_reach(names, work)
    searches = await _searches_of(prospects.values(), work)
    channels = {search.name: search.channel for search in searches.values()}
    accepting = _Accepting(work, even_if_known=even_if_known)
    await accepting.look([one for one in prospects.values() if one.state is not ProspectState.ACCEPTED], channels)
    made: defaultdict[str, dict[str, str]] = defaultdict(dict)
    results = []
    for name in names:
        one = prospects.get(name)
        if one is not None and one.state is ProspectState.ACCEPTED:
            results.append(Accepted(name=name, outcome=Accepted.ADDED, lead=one.lead))
            continue
        try:
            if one is None:
                raise RecordNotFound(name=name)
            results.append(await accepting.accept(one))
            made[one.prospect_search][name] = one.lead
        except CrmError as refused:
            result = Accepted(name=name, outcome=Accepted.REFUSED, reason=refused.reason, message=refused.message)
            if isinstance(refused, ProspectKnown) and one is not None and (match := accepting.match_of(one)):
                result.match.CopyFrom(to_message(match, pb.ProspectMatch))
            results.append(result)
    for search, leads in made.items():
        work.emit(searches[search].accepted(leads, work.now))
    return results


async def dismiss(names: Sequence[str], work: Work) -> list[Dismissed]:
    prospects = await _within_reach(names, work)
    searches = await _searches_of(prospects.values(), work)
    gone: defaultdict[str, list[str]] = defaultdict(list)
    results = []
    for name in names:
        try:
            one = prospects.get(name)
            if one is None:
                raise RecordNotFound(name=name)
            if one.dismiss(work.caller.actor, work.now):
                gone[one.prospect_search].append(name)
            results.append(Dismissed(name=name))
        except CrmError as refused:
            results.append(Dismissed(name=name, reason=refused.reason, message=refused.message))
    for search, dismissed in gone.items():
        work.emit(searches[search].dismissed(dismissed, work.now))
    return results


async def _within_reach(names: Sequence[str], work: Work) -> dict[str, Prospect]:
    ids = [id_of(name) for name in names if is_uuid(id_of(name))]
    found = {one.name: one for one in (await work.find(Prospect, id=ids) if ids else []) if work.sees(one)}
    return {name: found[name] for name in names if name in found}  # in the order asked


async def _searches_of(prospects: Iterable[Prospect], work: Work) -> dict[str, ProspectSearch]:
    ids = sorted({id_of(one.prospect_search) for one in prospects})
    return {search.name: search for search in await work.find(ProspectSearch, id=ids)} if ids else {}
