"""Passwords of servers outside go to the one process that writes to them."""

from chassis.settings import SERVICES
from chassis.stack.folder import DataFolder
from chassis.stack.plan import OUTSIDE, Addresses, Stores, build
from chassis.stack.secrets_file import Secrets


def test_the_password_of_a_mail_server_is_told_to_leads_and_to_nobody_else(tmp_path, monkeypatch):
    for name in OUTSIDE["leads"]:
        monkeypatch.setenv(name, f"secret of {name}")
    (tmp_path / "data").mkdir()
    urls = dict.fromkeys(SERVICES, "postgresql://somewhere")
    known = Secrets.load(tmp_path / "data" / "secrets.json")
    plan = build(DataFolder(tmp_path / "data"), Addresses.choose(0, 0), Stores(urls, urls, urls, "nats://x"), known)
    for program in (*plan.tools, *plan.preparations, *plan.services):
        told = {value for value in program.env.values() if value.startswith("secret of ")}
        wanted = {f"secret of {name}" for name in OUTSIDE["leads"]} if program.name == "leads" else set()
        assert told == wanted, program.name
