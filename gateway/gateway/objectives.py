"""Classes of calls: what may be expected of an answer, and how soon. docs/operating.md says it to ops."""

import re
from functools import cache

READ, WRITE, BULK, PAGE = CLASSES = "read", "write", "bulk", "page"
# Seconds in which a hundredth less than all are answered; each is a bound of the histogram that is compared with it.
SECONDS = {READ: 0.25, WRITE: 1.0, BULK: 10.0}

READS = re.compile("(Get|List|Find|Explain|Preview|Check|Verify|Read|Suggest|Rank|Recommend|Review|Match)[A-Z]")
MANY_RECORDS = re.compile("(Export|Import|Simulate|Download|Batch)[A-Z]|[A-Za-z]+(Report|Performance|Summary)$")


@cache
def class_of(rpc: str) -> str:
    """`/crm.leads.v1.LeadService/GetLead` → read. Bulk are files, reports and simulations, for which many records are
    read; a page is what no service answers: the documentation, and paths that are not there."""
    if not rpc:
        return PAGE
    method = rpc.rpartition("/")[2]
    if MANY_RECORDS.match(method):
        return BULK
    return READ if READS.match(method) else WRITE
