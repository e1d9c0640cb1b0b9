"""What refers to what, across databases; and the timeline against the outboxes."""

from failures.checker.evidence import Findings, Opened


async def check_links(opened: Opened, findings: Findings) -> None:
    leads = await opened.all("leads", "leads")
    accounts = await opened.all("sales", "accounts")
    contacts = await opened.all("sales", "contacts")
    deals = await opened.all("sales", "opportunities")
    contracts = await opened.all("contracts", "contracts")
    cases = await opened.all("service-desk", "cases")
    known = {"leads": leads, "accounts": accounts, "contacts": contacts, "opportunities": deals, "contracts": contracts}

    def refers(collection: str, rows: dict, columns: tuple[str, ...], optional: bool = True) -> None:
        for key, row in rows.items():
            for column in columns:
                name = row[column]
                if (not name and optional) or name in opened.named or f"{collection}/{key}" in opened.named:
                    continue
                where, _, there = name.partition("/")
                if there not in known.get(where, {}):
                    findings.orphans.append(f"{collection}/{key}: its {column} {name or '(none)'} does not exist")

    converted = {key: row for key, row in leads.items() if row["state"] == "CONVERTED"}
    refers("leads", converted, ("account", "contact"), optional=False)
    refers("leads", converted, ("opportunity",))
    refers("accounts", accounts, ("lead",))
    refers("contacts", contacts, ("account",), optional=False)
    refers("opportunities", deals, ("account", "contact"))
    refers("contracts", contracts, ("account", "opportunity"))
    refers("cases", cases, ("account", "contract"))
    for key, row in leads.items():
        if row["state"] == "CONVERTING":
            findings.unfinished.append(f"leads/{key} is still being converted")
    for key, row in accounts.items():
        lead = leads.get(row["lead"].partition("/")[2])
        if row["archive_time"] and lead is not None and lead["undone_conversions"]:
            continue  # the conversion that made it was taken back
        if lead is not None and lead["account"] != f"accounts/{key}" and row["lead"] not in opened.named:
            findings.orphans.append(f"accounts/{key} came of {row['lead']}, which knows {lead['account'] or 'nobody'}")
    await _timeline(opened, findings)


async def _timeline(opened: Opened, findings: Findings) -> None:
    """An event stands in the timeline once: what insights holds is what the outboxes hold of those types."""
    lines = await opened.rows("insights", "SELECT event_id::text AS id, service, type, subject FROM timeline")
    types = {row["type"] for row in lines}
    there = {row["id"] for row in lines}
    told = set()
    for service in opened.databases:
        for row in await opened.rows(service, "SELECT id::text AS id, type, subject FROM outbox"):
            told.add(row["id"])
            if row["type"] in types and row["id"] not in there:
                findings.unapplied.append(f"the timeline lacks {row['type']} {row['id']} about {row['subject']}")
    for row in lines:
        if row["id"] not in told and row["subject"] not in opened.named:
            findings.lost.append(f"the timeline shows {row['type']} of {row['subject']}, which {row['service']} lost")
