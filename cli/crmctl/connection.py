"""How commands reach a suite: a given one by URL and token, or the local one by its data folder."""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from crmctl.local import ADMIN, LocalStack, local_stack
from crmctl.problem import Problem

_ATTEMPTS = 8
_LONGEST_PAUSE_SECONDS = 5.0
_RENEW_BEFORE_SECONDS = 60.0
_LOCAL_TOKEN_SECONDS = 15 * 60


class Refused(Problem):
    """The suite answered with an error: `status` is the HTTP code, `reason` the error's name, `body` all it said."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status, self.body = status, body
        self.reason = str(body.get("reason", ""))
        super().__init__(_sentence(status, body))


class Client:
    """JSON over HTTP with a token. Threads may share one. 429 and 503 are tried again as the suite asks.

    `token` is called when a token is needed and after a 401 (then with True: the last one is not good any more).
    """

    def __init__(self, url: str, token: Callable[[bool], str], stack: LocalStack | None = None) -> None:
        self.url, self.stack = url.rstrip("/"), stack
        self._token = token
        self._http = httpx.Client(base_url=self.url, timeout=httpx.Timeout(60, connect=5))

    def acting_as(self, subject: str) -> "Client":
        """The same suite as somebody else (`users/ana`, `serviceAccounts/importer`); only for a local one."""
        if self.stack is None:
            raise Problem(
                f"Only a local suite gives tokens for {subject}: pass --data-dir, or a token of it with --token."
            )
        return Client(self.url, _LocalToken(self.stack, subject), self.stack)

    def bearer(self, renew: bool = False) -> str:
        """The token for the next request, for those who send it another way; `renew` after it was refused."""
        return self._token(renew)

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """The resource or page at `path`, e.g. `/v1/leads/...`."""
        return self.call("GET", path, params=params)

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, key: str = "", actor: str = "", etag: str = ""
    ) -> dict[str, Any]:
        """Create or a verb. `key` (a UUID) makes a retry safe, `actor` is whom we act for, `etag` what we saw."""
        return self.call("POST", path, body or {}, key=key, actor=actor, etag=etag)

    def patch(
        self, path: str, body: Mapping[str, Any], key: str = "", actor: str = "", etag: str = ""
    ) -> dict[str, Any]:
        """Update the fields in `body`; the rest as for `post`."""
        return self.call("PATCH", path, body, key=key, actor=actor, etag=etag)

    def each(self, path: str, field: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list, over all its pages; `field` is the list's name in the answer, e.g. `leads`."""
        page = self.get(path, **params)
        yield from page[field]
        while page.get("nextPageToken"):
            page = self.get(path, **(params | {"pageToken": page["nextPageToken"]}))
            yield from page[field]

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        key: str = "",
        actor: str = "",
        etag: str = "",
    ) -> dict[str, Any]:
        """One request; raises Refused for an error answer, Problem if nobody answers."""
        answer = self.send(method, path, body, params, {"idempotency-key": key, "crm-actor": actor, "if-match": etag})
        try:
            content: dict[str, Any] = answer.json() if answer.content else {}
        except ValueError:
            content = {"detail": answer.text[:200]}
        if answer.is_success:
            return content
        raise Refused(answer.status_code, content)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The response as it came, whatever its status (a PDF, for instance), after the retries."""
        given = {name: value for name, value in (headers or {}).items() if value}
        renew = False
        for attempt in range(1, _ATTEMPTS + 1):
            authorization = {"authorization": f"Bearer {self._token(renew)}"}
            try:
                answer = self._http.request(method, path, json=body, params=params, headers=given | authorization)
            except httpx.HTTPError as problem:
                raise Problem(
                    f"The suite at {self.url} does not answer ({type(problem).__name__}): is it running?"
                ) from None
            if answer.status_code == 401 and not renew and self.stack is not None:
                renew = True
            elif answer.status_code not in (429, 503) or attempt == _ATTEMPTS:
                return answer
            else:
                time.sleep(_pause(answer.headers.get("retry-after", ""), attempt))
        raise AssertionError("the loop returns or raises")

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()


class _LocalToken:
    """Tokens of one subject from the local key, made anew a minute before they end."""

    def __init__(self, stack: LocalStack, subject: str) -> None:
        self._stack, self._subject = stack, subject
        self._token, self._until = "", 0.0

    def __call__(self, renew: bool) -> str:
        if renew or time.monotonic() > self._until:
            self._token = self._stack.mint(self._subject)
            self._until = time.monotonic() + _LOCAL_TOKEN_SECONDS - _RENEW_BEFORE_SECONDS
        return self._token


class _IssuedToken:
    """A system's tokens from the issuer (OAuth 2.0 client credentials), by the settings that services have, too."""

    def __init__(self) -> None:
        self._token, self._until = "", 0.0

    def __call__(self, renew: bool) -> str:
        if renew or time.monotonic() > self._until:
            form = {
                "grant_type": "client_credentials",
                "client_id": os.environ.get("CLIENT_ID", ""),
                "client_secret": os.environ["CLIENT_SECRET"],
            }
            where = os.environ["OIDC_TOKEN_URL"]
            try:
                answer = httpx.post(where, data=form, timeout=10).raise_for_status().json()
                self._token, seconds = str(answer["access_token"]), float(answer.get("expires_in", 60))
            except (httpx.HTTPError, ValueError, LookupError) as problem:
                raise Problem(f"The issuer at {where} gives {form['client_id']} no token: {problem}") from None
            self._until = time.monotonic() + seconds - min(_RENEW_BEFORE_SECONDS, seconds / 2)
        return self._token


def connect(url: str = "", token: str = "", data_dir: Path | None = None) -> Client:
    """The client of a command. What is not given is the local stack's: its address, its administrator's token."""
    if url and token:
        return Client(url, lambda _: token)
    if url and os.environ.get("OIDC_TOKEN_URL") and os.environ.get("CLIENT_SECRET"):
        return Client(url, _IssuedToken())
    stack = local_stack(data_dir)
    if stack is None:
        raise Problem(
            f"There is no token for {url}: give one with --token or CRM_TOKEN."
            if url
            else "No suite is given and none runs here: name one with --url (CRM_URL) and --token (CRM_TOKEN), "
            "or a local one with --data-dir (CRM_DATA_DIR)."
        )
    if token:
        return Client(stack.url, lambda _: token)
    return Client(url or stack.url, _LocalToken(stack, ADMIN), stack)


def _pause(retry_after: str, attempt: int) -> float:
    """What the suite asks for, else doubling; with some chance, so that many clients do not come back together."""
    asked = float(retry_after) if retry_after.isdigit() else 0.1 * 2**attempt
    return min(asked, _LONGEST_PAUSE_SECONDS) * random.uniform(0.8, 1.2)


def _sentence(status: int, body: Mapping[str, Any]) -> str:
    """problem+json as people read it: what is wrong, the fields, and what to look up."""
    said = str(body.get("detail") or body.get("title") or "The suite refused the request.").strip()
    fields = [f"{one['field']}: {one['reason']}" for one in body.get("violations", [])]
    where = f" {'; '.join(fields)}." if fields else ""
    mark = f"{status} {body.get('reason', '')}".rstrip()
    trace = f"; crmctl trace {body['traceId']}" if body.get("traceId") else ""
    return f"{said}{where} ({mark}{trace})"
