"""Sources of prospects: how they are set up, what they are asked, and what of an answer is believed."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leads.domain.prospect_search import Place, ProspectCriteria
from leads.outgoing.outside import OutsideRefused
from leads.outgoing.prospect_sources import MOST_ITEMS, prospect_sources
from leads.outgoing.providers import Misconfigured
from outgoing_servers import JsonServer

ONE = {"source": "registry", "url": "https://registry.example/c?q={countries}&p={page}", "fields": {"company": "/name"}}
BULGARIA = ProspectCriteria(countries=["BG"])


@pytest.fixture
def web():
    server = JsonServer()
    yield server
    server.close()


def configured(monkeypatch, *given):
    monkeypatch.setenv("PROSPECT_SOURCES", json.dumps(given))
    return prospect_sources()


def asked(web, monkeypatch, document, **more):
    """A source that answers so."""
    web.answers.append((200, {}, json.dumps(document).encode()))
    url = f"{web.url}/c?q={{countries}}&p={{page}}"
    return configured(monkeypatch, ONE | {"url": url, "items": "/found"} | more)["registry"]


def test_nothing_is_set_up_unless_somebody_does(monkeypatch):
    monkeypatch.delenv("PROSPECT_SOURCES", raising=False)
    assert prospect_sources() == {}
    found = configured(monkeypatch, ONE, ONE | {"source": "market", "keep_days": 30, "currency": "CNY"})
    assert [(one.source, one.keep_days, one.currency) for one in found.values()] == [
        ("registry", 90, "EUR"), ("market", 30, "CNY"),
    ]  # fmt: skip
    assert "registry.example" not in repr(found["registry"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"source": ""}, "slug"), ({"source": "The Registry"}, "slug"), ({"url": "ftp://x/{countries}"}, "http"),
        ({"url": "https://{countries}.example/"}, "http"), ({"url": "https://ana:x@r.example/{countries}"}, "password"),
        ({"url": "https://r.example/{owner}"}, "no other"), ({"url": "https://r.example/{countries!r}"}, "no other"),
        ({"url": "https://r.example/{"}, "no other"), ({"url": "https://r.example/{page}"}, "no criterion"),
        ({"fields": {}}, "company"), ({"fields": {"company": "name"}}, "pointers"),
        ({"fields": {"company": "/n", "iban": "/i"}}, "iban"),
        ({"items": "found"}, "pointers"), ({"page_size": 0}, "page_size"), ({"page_size": 201}, "page_size"),
        ({"keep_days": 731}, "keep_days"),
        ({"keep_days": True}, "keep_days"), ({"currency": "euro"}, "ISO 4217"), ({"next": "/next"}, "cursor"),
        ({"url": "https://r.example/{countries}/{cursor}"}, "cursor"),
        ({"headers": {"X": 1}}, "list of"), ({"nonsense": 1}, "list of"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told_in_a_sentence(monkeypatch, wrong, said):
    with pytest.raises(Misconfigured, match=said):
        configured(monkeypatch, ONE | wrong)


@pytest.mark.parametrize("text", ["{", '"x"', "[1]", json.dumps([ONE, ONE])])
def test_what_is_no_list_of_sources_is_refused(monkeypatch, text):
    monkeypatch.setenv("PROSPECT_SOURCES", text)
    with pytest.raises(Misconfigured):
        prospect_sources()


def test_a_body_is_filled_and_what_is_not_looked_for_is_left_out(monkeypatch):
    body = {
        "where": [{"in": "{countries}"}, {"city": "{cities}"}],
        "size": {"min": "{employees_min}"},
        "page": "{page}",
    }
    body |= {"kind": "company", "limit": "{page_size}"}
    source = configured(monkeypatch, ONE | {"url": "https://registry.example/c", "body": body})["registry"]
    assert source.criteria == ["countries", "cities", "employees_min"]
    call = source.call(ProspectCriteria(countries=["BG", "PT"]), Place(page=3))
    assert (call.method, call.body) == (
        "POST", {"where": [{"in": ["BG", "PT"]}], "page": 3, "kind": "company", "limit": 100},
    )  # fmt: skip


@settings(max_examples=50)
@given(words=st.lists(st.text(min_size=1), min_size=1, max_size=3), cursor=st.text())
def test_whatever_is_looked_for_the_address_stays_the_one_that_was_set_up(words, cursor):
    text = json.dumps([ONE | {"url": "https://registry.example/c/{words}?x={cursor}", "next": "/next"}])
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PROSPECT_SOURCES", text)
        source = prospect_sources()["registry"]
    clean, *others = (text.encode("utf-8", "ignore").decode() for text in (cursor, *words))
    url = source.call(ProspectCriteria(words=others), Place(cursor=clean)).url
    assert url.startswith("https://registry.example/c/")
    assert url.count("/") == 4
    assert url.count("?") == 1


async def test_a_page_is_a_list_of_not_too_many(web, monkeypatch):
    source = asked(web, monkeypatch, {"found": [{}] * 3, "count": 3}, total="/count")
    answer = await source.page(BULGARIA, Place())
    assert (len(answer.items), answer.next, answer.total) == (3, Place(page=2), 3)
    for document, code in (({"found": {}}, "NO_LIST"), ({"found": [{}] * (MOST_ITEMS + 1)}, "TOO_MANY_ITEMS")):
        with pytest.raises(OutsideRefused, match=code):
            await asked(web, monkeypatch, document).page(BULGARIA, Place())


async def test_the_last_page_is_empty_or_says_of_no_next_one(web, monkeypatch):
    assert (await asked(web, monkeypatch, {"found": []}).page(BULGARIA, Place(page=7))).next is None
    assert (await asked(web, monkeypatch, {}).page(BULGARIA, Place(page=7))).next is None
    more = {"next": "/next", "url": f"{web.url}/c?q={{countries}}&after={{cursor}}"}
    for told, following in (
        ("b", Place(page=2, cursor="b")),
        (7, Place(page=2, cursor="7")),
        ("", None),
        (None, None),
        ("a", None),
        (True, None),
    ):
        source = asked(web, monkeypatch, {"found": [], "next": told}, **more)
        assert (await source.page(BULGARIA, Place(page=1, cursor="a"))).next == following
    with pytest.raises(OutsideRefused, match="CURSOR_TOO_LONG"):
        await asked(web, monkeypatch, {"found": [], "next": "x" * 2001}, **more).page(BULGARIA, Place())


async def test_what_says_nothing_of_pages_has_one(web, monkeypatch):
    source = asked(web, monkeypatch, {"found": [{}]}, url=f"{web.url}/c?q={{countries}}")
    assert (await source.page(BULGARIA, Place())).next is None
