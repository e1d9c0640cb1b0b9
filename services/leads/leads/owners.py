"""Whether a lead still has somebody."""

from chassis.work import Work


async def is_active(owner: str, work: Work) -> bool:
    """Whether this person or system is there to be given a lead back."""
    member = await work.members.named(owner) if owner else None
    return member is not None and member.active
