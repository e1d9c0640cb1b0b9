"""Cases: what the buyers of an order complained about to the seller we won."""

from crmctl.olist.clock import timestamp
from crmctl.olist.known import Known, Record
from crmctl.olist.shop import Complaint
from crmctl.olist.tally import Tally
from crmctl.olist.values import external_id
from crmctl.suite import Suite


async def complain(suite: Suite, complaint: Complaint, order: Record, known: Known, tally: Tally) -> None:
    """Open the case, unless it was opened before. Raises Refused if the row is at fault."""
    if complaint.key in known.cases:
        tally.count("cases", "unchanged")
        return
    case = {
        "displayName": f"Review with score {complaint.score} of order {complaint.order_id[:8]}",
        "account": order["account"],
        "order": order["name"],
        "type": "complaint",
        "description": complaint.text,
        "openTime": timestamp(complaint.time),
        "externalIds": [external_id("review", complaint.key)],
    }
    await suite.post("/v1/cases", case)
    tally.count("cases", "created")
