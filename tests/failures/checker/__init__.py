"""The independent checker: was every promise kept?

It shares no code with the services. It reads their databases, the streams, and the client's own journal, and says in
sentences what is lost, doubled or half there. What `crmctl ops reconcile` named after a restore is excused.
"""

from failures.checker.effects import check_effects
from failures.checker.events import check_events
from failures.checker.evidence import Evidence, Findings
from failures.checker.links import check_links
from failures.checker.writes import check_writes


async def check(evidence: Evidence) -> Findings:
    """All checks; the suite must be at rest (nothing waits in an outbox, a stream or a saga)."""
    findings = Findings()
    async with evidence.opened() as opened:
        await check_writes(opened, findings)
        await check_events(opened, findings)
        await check_effects(opened, findings)
        await check_links(opened, findings)
    return findings


__all__ = ["Evidence", "Findings", "check"]
