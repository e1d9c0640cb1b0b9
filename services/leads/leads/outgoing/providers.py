"""What can carry a message to a person, and which of it the company has set up."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from chassis.settings import stop

from leads.domain.delivery import Way
from leads.domain.wording import LANGUAGES

SETTINGS = ("SMTP_URL", "MAIL_FROM", "SMS_GATEWAY", "LEAD_URL", "COMPANY_LANGUAGE")


@dataclass(frozen=True)
class Letter:
    """One message. `id` stays the same however often it is sent, so that whoever gets it twice can tell."""

    id: str
    to: str
    subject: str  # not used by short messages
    text: str


class Provider(Protocol):
    async def send(self, letter: Letter) -> None:
        """Returns when it was taken. OutsideAway: later; OutsideRefused: never."""


class Misconfigured(Exception):
    """A setting that cannot be meant."""


@dataclass(frozen=True)
class Outgoing:
    """What is set up: each way with its provider, where a lead is looked at, and the company's language."""

    providers: Mapping[Way, Provider]
    lead_url: str  # with `{id}`; empty: messages have no link
    language: str


def outgoing() -> Outgoing:
    """As the environment says. Misconfigured if it cannot be meant."""
    return _read(tuple(os.environ.get(name, "") for name in SETTINGS))


async def check(_: object) -> None:
    """Ends a process that could not send, with a sentence that says why."""
    from leads.outgoing.prospect_sources import prospect_sources
    from leads.outgoing.sources import sources

    try:
        outgoing()
        sources()
        prospect_sources()
    except Misconfigured as wrong:
        stop(str(wrong))


@lru_cache(maxsize=4)
def _read(settings: tuple[str, ...]) -> Outgoing:
    from leads.outgoing.mail import MailServer
    from leads.outgoing.sms import SmsGateway

    smtp, sender, gateway, lead_url, language = settings
    providers: dict[Way, Provider] = {}
    if smtp:
        providers[Way.EMAIL] = MailServer.configured(smtp, sender)
    if gateway:
        try:
            given = json.loads(gateway)
        except ValueError:
            raise Misconfigured("SMS_GATEWAY is no JSON.") from None
        providers[Way.SMS] = SmsGateway.configured(given)
    if language and language not in LANGUAGES:
        raise Misconfigured(f"COMPANY_LANGUAGE is one of {', '.join(LANGUAGES)}.")
    return Outgoing(providers, lead_url, language or "en")
