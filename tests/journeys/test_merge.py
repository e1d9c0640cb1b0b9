"""Somebody who was recorded twice, in all services: made one, taken apart, made one again for good, and erased."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from chassis.settings import SERVICES
from chassis.values import id_of, new_id
from crmctl.connection import Client, Refused
from whereabouts import everywhere
from whole_suite import Suite, start, until

NAME, OTHER_NAME = "Десислава Щерева-Мартинес", "欧阳德西"
EMAIL, OTHER_EMAIL = "desi.shtereva@merge-5512.example", "d.shtereva@merge-5513.example"
PHONE = "+359 88 551 2551"
SAID = "предпочита сутрин, 5512"
# What every service keeps of how it works, and what is told of a merge itself.
OWN = ("outbox", "audit_", "request", "inbox", "heard", "saga", "relay_mark", "stream_removal", "freshness", "timeline")
OWN += ("lead_merge", "lead_history", "figure", "alembic_version")
CHANGING = {"version", "update_time", "record_time", "epoch", "create_time", "next_time", "traceparent"}


@dataclass
class Story:
    suite: Suite
    admin: Client
    first: dict[str, Any]
    again: dict[str, Any]

    def state(self) -> list[str]:
        """Every row of every table of every service that names one of the leads or of what belongs to them."""
        return asyncio.run(
            _rows(self.admin, [one[key] for one in (self.first, self.again) for key in ("name", "journeyId")])
        )

    def merge(self, **fields: Any) -> dict[str, Any]:
        asked = {"merged": [{"name": self.again["name"]}]} | fields
        return self.admin.post(f"/v1/{self.first['name']}:merge", asked, key=new_id())

    def undo(self) -> dict[str, Any]:
        return self.admin.post(f"/v1/{self.first['name']}:undoMerge", {}, key=new_id())


async def _rows(admin: Client, names: list[str]) -> list[str]:
    wanted, found = "|".join(map(id_of, names)), []
    for service in SERVICES:
        connection = await asyncpg.connect(admin.stack.database_url(service))
        try:
            tables = await connection.fetch("SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'public'")
            for table in sorted(row["relname"] for row in tables):
                if table.startswith(OWN):
                    continue
                rows = await connection.fetch(f"SELECT to_jsonb(t) AS row FROM {table} t WHERE t::text ~ $1", wanted)
                for row in rows:
                    kept = {key: value for key, value in json.loads(row["row"]).items() if key not in CHANGING}
                    found.append(f"{service} {table} {json.dumps(kept, sort_keys=True, ensure_ascii=False)}")
        finally:
            await connection.close()
    return sorted(found)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    suite = start(tmp_path_factory.mktemp("merge") / "data", SAMPLE="0")
    yield suite
    assert suite.stop() == 0


@pytest.fixture(scope="module")
def story(running) -> Story:
    """Two records of her: one that Ana calls, one that came in by another channel and is Boris'."""
    admin = running.client()
    admin.post("/v1/teams", {"displayName": "Sales"})
    for name, role in (("ana", "salesperson"), ("boris", "salesperson"), ("olga", "privacy_officer")):
        admin.post(f"/v1/users?userId={name}", {"displayName": name, "team": "teams/sales", "roles": [role]})
    targets = [{"target": "all", "responseTime": {"kind": "ELAPSED", "seconds": 86400}}]
    admin.patch("/v1/responseSettings", {"targets": targets})
    waits = {"kind": "ELAPSED", "seconds": 86400}
    steps = [{"kind": "CALL", "wait": waits}, {"kind": "EMAIL", "wait": waits}]
    cadence = admin.post("/v1/cadences", {"displayName": "First week", "steps": steps})["name"]
    made = []
    for number, (name, email, owner) in enumerate(((NAME, EMAIL, "ana"), (OTHER_NAME, OTHER_EMAIL, "boris"))):
        channel = admin.post("/v1/channels", {"displayName": f"Channel {number}"})["name"]
        touch = admin.post("/v1/touches", {"channel": channel, "url": f"https://shop.example/{number}"})
        body = {
            "displayName": name, "email": email, "channel": channel, "journeyId": touch["journeyId"],
            "company": "Роза ООД", "note": f"{SAID} {number}", "labels": {"said": SAID, f"n{number}": "x"},
            "externalIds": [{"system": "fair", "id": f"k{number}"}],
        }  # fmt: skip
        lead = admin.post("/v1/leads", body | ({"phone": PHONE} if number else {}), key=new_id())["name"]
        until(lambda: admin.post(f"/v1/{lead}:assign", {"owner": f"users/{owner}"}), "somebody has it")  # noqa: B023
        admin.post(f"/v1/{lead}:enrol", {"cadence": cadence})
        admin.post(f"/v1/{lead}:logInteraction", {"kind": "EMAIL", "direction": "INBOUND", "note": SAID})
        due = {"dueTime": "2030-01-01T00:00:00Z", "expectedOutcome": "A look at the ovens"}
        until(
            lambda: admin.post("/v1/activities", {"displayName": f"Visit {number}", "subject": lead, **due}),  # noqa: B023
            "sales knows the lead",
        )
        made.append(lead)
    admin.post("/v1/captures", {"quickEntry": {"text": f"{OTHER_EMAIL} иска оферта"}})
    story = Story(running, admin, *(admin.get(f"/v1/{name}") for name in made))
    until(lambda: _settled(story), "everything has heard of both", 90)
    return Story(running, admin, *(admin.get(f"/v1/{name}") for name in made))


def _settled(story: Story) -> bool:
    """Both have their clocks, calls and notifications, and nothing changes any more."""
    before = story.state()
    kinds = ["leads lead_responses", "sales activities", "leads notifications", "insights records", "leads captures"]
    counts = [sum(row.startswith(kind) for row in before) for kind in kinds]
    return counts[:3] == [2, 4, 2] and counts[3] >= 6 and counts[4] == 1 and _still(story, before)


def _still(story: Story, before: list[str]) -> bool:
    until(lambda: True, "a look again")
    return all(story.state() == before for _ in range(3))


def test_merge_then_undo_restores_byte_equal_records_and_links_in_all_services(story):
    before = story.state()
    assert {row.split()[0] for row in before} >= {"leads", "sales", "marketing", "insights"}
    leads = len([row for row in before if row.startswith("marketing lead_sources")])
    shown = story.admin.post(f"/v1/{story.first['name']}:previewMerge", {"merged": [{"name": story.again["name"]}]})
    merged = story.merge()
    assert shown["origins"] == merged["origins"]
    tombstone = story.admin.get(f"/v1/{story.again['name']}")
    assert (tombstone["state"], tombstone["mergedInto"]) == ("MERGED", story.first["name"])
    assert story.again["name"] not in [one["name"] for one in story.admin.get("/v1/leads")["leads"]]
    until(lambda: _about(story, story.again["name"]) == [], "activities are about the lead that goes on")
    assert len(_about(story, story.first["name"])) == 4
    counted = lambda: len([row for row in story.state() if row.startswith("marketing lead_sources")])  # noqa: E731
    until(lambda: counted() == leads - 1, "marketing counts one lead")
    assert story.state() != before
    story.undo()
    until(lambda: story.state() == before, "everything is as it was", 60)
    assert _still(story, before)


def test_what_was_merged_for_good_is_one_customer_with_one_story(story):
    story.merge(rule="NEWEST")
    first, again = story.first["name"], story.again["name"]
    until(lambda: _about(story, again) == [], "activities are about the lead that goes on")
    story.admin.post(f"/v1/{first}:logCall", {"outcome": "REACHED"}, key=new_id())
    story.admin.post(f"/v1/{first}:qualify", {})
    story.admin.post(f"/v1/{first}:convert", {}, key=new_id())
    lead = until(lambda: (read := story.admin.get(f"/v1/{first}"))["state"] == "CONVERTED" and read, "it is converted")
    customer = lead["account"].replace("accounts/", "customers/")
    until(lambda: {first, again} <= {one["subject"] for one in _timeline(story, customer)}, "both leads are told")
    until(lambda: {"TouchRecorded", "LeadMerged"} <= _types(story, customer), "so are the visits and the merge")
    assert sum(one["type"].endswith("TouchRecorded") for one in _timeline(story, customer)) == 2
    assert story.admin.get(f"/v1/{customer}")["journeyIds"] == [story.first["journeyId"]]
    with pytest.raises(Refused) as refused:
        story.undo()
    assert "converted since" in str(refused.value)


def _types(story, customer):
    return {one["type"].rpartition(".")[2] for one in _timeline(story, customer)}


def test_an_erasure_reaches_merged_copies_and_what_undo_would_need(story):
    words = [NAME, OTHER_NAME, EMAIL, OTHER_EMAIL, PHONE, SAID]
    assert everywhere(story.admin.stack, SERVICES, words).found
    made = story.admin.post("/v1/erasures", {"records": [story.first["name"]]}, key=new_id())
    until(lambda: story.admin.get(f"/v1/{made['name']}")["state"] == "COMPLETED", "she is erased", 120)
    until(lambda: not everywhere(story.admin.stack, SERVICES, words).found, "nothing is left of her", 60)
    (merge, *_) = story.admin.get(f"/v1/{story.again['name']}:explainMerge")["merges"]
    assert (merge["before"], merge.get("result")) == ([], None)


def _about(story: Story, lead: str) -> list[str]:
    found = story.admin.get("/v1/activities", filter=f'subject = "{lead}"')["activities"]
    return sorted(one["name"] for one in found)


def _timeline(story: Story, customer: str) -> list[dict[str, Any]]:
    return story.admin.get(f"/v1/{customer}/timeline", pageSize=200)["entries"]
