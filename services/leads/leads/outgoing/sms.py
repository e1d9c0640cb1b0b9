"""Short messages: any gateway that takes JSON over HTTP, by a mapping that is data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leads.outgoing.outside import Call, OutsideRefused, address, ask
from leads.outgoing.providers import Letter, Misconfigured

SHAPE = "SMS_GATEWAY is {url, headers, body, accepted}; the body says where {to}, {text} and {id} stand."


@dataclass(frozen=True, repr=False)
class SmsGateway:
    """Where short messages are handed in. Never shown: its headers hold a password.

    `accepted` are fields of the answer and the values they must have; without it any 2xx is a yes.
    """

    url: str
    headers: Mapping[str, str]
    body: Any
    accepted: Mapping[str, Any]

    @classmethod
    def configured(cls, given: Any) -> "SmsGateway":
        """From `{"url": …, "headers": {…}, "body": {"to": "{to}", "text": "{text}"}, "accepted": {"status": "ok"}}`.
        `{id}` is the same at every try: gateways that know such keys send nothing twice."""
        if not isinstance(given, dict) or not set(given) <= {"url", "headers", "body", "accepted"}:
            raise Misconfigured(SHAPE)
        url, headers, accepted = given.get("url"), given.get("headers", {}), given.get("accepted", {})
        texts = isinstance(headers, dict) and all(isinstance(value, str) for value in headers.values())
        if not isinstance(url, str) or not texts or not isinstance(accepted, dict):
            raise Misconfigured(SHAPE)
        if wrong := address(url):
            raise Misconfigured(f"SMS_GATEWAY: the url {wrong}.")
        if not {"{to}", "{text}"} <= _places(given.get("body")):
            raise Misconfigured(SHAPE)
        return cls(url, headers, given["body"], accepted)

    async def send(self, letter: Letter) -> None:
        values = {"{to}": letter.to, "{text}": letter.text, "{id}": letter.id}
        headers = {"Idempotency-Key": letter.id} | dict(self.headers)
        answer = await ask(Call("POST", self.url, headers, _filled(self.body, values)))
        told = answer if isinstance(answer, dict) else {}
        if any(told.get(name) != value for name, value in self.accepted.items()):
            raise OutsideRefused("NOT_ACCEPTED")


def _places(body: Any) -> set[str]:
    """The texts of a body, at any depth."""
    if isinstance(body, dict):
        return set().union(*(_places(value) for value in body.values()))
    if isinstance(body, list):
        return set().union(*(_places(value) for value in body))
    return {body} if isinstance(body, str) else set()


def _filled(body: Any, values: Mapping[str, str]) -> Any:
    if isinstance(body, dict):
        return {name: _filled(value, values) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, values) for value in body]
    return values.get(body, body) if isinstance(body, str) else body
