"""One suite for all fuzzing, started as a newcomer starts it, with the sample company."""

import json

import pytest
from chassis.values import new_id
from outgoing_servers import JsonServer
from whole_suite import start

from fuzz.world import World


class Registry(JsonServer):
    """Tells of another company each time: one that somebody dismissed is shown to nobody again."""

    @property
    def usual(self) -> bytes:
        return json.dumps({"found": [{"name": f"Роза {new_id()}"}]}).encode()

    @usual.setter
    def usual(self, _: bytes) -> None:
        pass


@pytest.fixture(scope="package")
def suite(tmp_path_factory):
    knows = Registry()
    # Nobody here has an address: what would be sent fails at once, and can be tried again.
    outside = {"SMTP_URL": "smtp://127.0.0.1:9", "MAIL_FROM": "crm@rosa.example"}
    sources = [{"source": "none", "url": "http://127.0.0.1:9/{company}", "fields": {"region": "/region"}}]
    outside["ENRICHMENT_SOURCES"] = json.dumps(sources)
    sources = [{"source": "none", "url": knows.url + "/{countries}", "items": "/found", "fields": {"company": "/name"}}]
    outside["PROSPECT_SOURCES"] = json.dumps(sources)
    running = start(tmp_path_factory.mktemp("fuzz") / "data", **outside)
    yield running
    running.stop()
    knows.close()


@pytest.fixture(scope="package")
def world(suite) -> World:
    return World(suite.client())
