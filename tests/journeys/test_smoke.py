"""`crmctl ops smoke`, which `helm test` runs, against the whole suite."""

import json

import pytest
from crmctl import smoke
from crmctl.connection import connect
from crmctl.problem import Problem
from whole_suite import until


def test_a_suite_where_somebody_sells_goes_the_whole_way_and_keeps_nothing(suite):
    admin = suite.client()
    admin.post("/v1/users?userId=sam", {"displayName": "Sam", "roles": ["salesperson"]})
    sam = admin.acting_as("users/sam")
    until(lambda: "leads" in sam.get("/v1/leads") and "accounts" in sam.get("/v1/accounts"), "Sam is known")
    done = suite.crmctl("ops", "smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "It works. What was made is archived."
    for collection in ("leads", "accounts", "opportunities"):
        names = [one["displayName"] for one in admin.each(f"/v1/{collection}", collection)]
        assert not [name for name in names if smoke.NOBODY in name], collection


def test_what_does_not_happen_is_named(monkeypatch):
    monkeypatch.setattr(smoke, "SECONDS", 0.0)
    with pytest.raises(Problem, match="this has not happened: sales makes a customer"):
        smoke._until(lambda: None, "sales makes a customer")


def test_a_suite_that_is_not_there_is_told_of(suite):
    done = suite.crmctl("ops", "smoke", "--url", "http://127.0.0.1:9", "--token", "none")
    assert done.returncode == 1
    assert "does not answer" in done.stderr


@pytest.fixture
def client(suite, monkeypatch):
    """Settings of a client of the local issuer, as a pod of the test has them."""
    at = json.loads((suite.data_dir / "stack.json").read_text())
    monkeypatch.setenv("OIDC_TOKEN_URL", f"{at['issuer']}/token")
    monkeypatch.setenv("CLIENT_ID", "services/leads")
    secrets = json.loads((suite.data_dir / "secrets.json").read_text())
    monkeypatch.setenv("CLIENT_SECRET", secrets["clients"]["services/leads"])


def test_a_system_fetches_its_own_token(suite, client):
    first = connect(suite.url).bearer()
    assert first.count(".") == 2
    assert connect(suite.url).bearer(renew=True) != ""


def test_a_system_with_another_secret_gets_none(suite, client, monkeypatch):
    monkeypatch.setenv("CLIENT_SECRET", "another")
    with pytest.raises(Problem, match="gives services/leads no token"):
        connect(suite.url).bearer()
