"""A service's own token: kept while it holds, replaced in time, and when a neighbour refuses it."""

import pytest

from chassis import credentials


class Clock:
    """Seconds since some moment."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(credentials, "monotonic", made)
    return made


@pytest.fixture
async def ours(starting, token_endpoint, clock):
    leads = await starting(oidc_token_url=token_endpoint.url, client_secret="secret")
    return credentials.Credentials(leads.process._settings)


async def test_a_token_is_kept_until_it_nears_its_end(ours, token_endpoint, clock):
    first = await ours.token()
    clock.now += 600 - credentials.EARLY_SECONDS - 1
    assert await ours.token() == first
    assert len(token_endpoint.asked) == 1
    clock.now += 2
    await ours.token()
    assert len(token_endpoint.asked) == 2


async def test_a_token_that_a_neighbour_refuses_is_replaced_but_not_for_each_refusal(ours, token_endpoint, clock):
    await ours.token()
    for _ in range(5):
        ours.doubt()
        await ours.token()
    assert len(token_endpoint.asked) == 1, "it is no older than a moment"
    clock.now += credentials.DOUBTED_SECONDS
    for _ in range(5):
        ours.doubt()
        await ours.token()
    assert len(token_endpoint.asked) == 2
