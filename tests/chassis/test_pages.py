"""Pages: whatever happens between two of them, each record of the beginning is seen exactly once."""

import asyncio
import string

import pytest
from chassis.errors import InvalidFields
from chassis.filtering import make_token, read_token
from crm.leads.v1 import leads_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from lead_calls import a_channel, all_names, create, listed


async def many(leads, count: int, **fields) -> list[str]:
    """Names of new leads, oldest first."""
    rows = [leads_pb2.Lead(display_name=f"{number}", **fields) for number in range(count)]
    answer = await leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=rows))
    return [result.lead for result in answer.results]


async def archive(leads, name: str) -> None:
    await leads.call("LeadService/ArchiveLead", leads_pb2.ArchiveLeadRequest(name=name))


async def test_the_newest_record_comes_first(leads):
    channel = a_channel()
    names = await many(leads, 3, channel=channel)
    assert await all_names(leads, filter=f'channel = "{channel}"') == names[::-1]


async def test_the_last_page_has_no_token(leads):
    channel = a_channel()
    await many(leads, 4, channel=channel)
    page = await listed(leads, page_size=2, filter=f'channel = "{channel}"')
    assert page.next_page_token
    last = await listed(leads, page_size=2, filter=f'channel = "{channel}"', page_token=page.next_page_token)
    assert (len(last.leads), last.next_page_token) == (2, "")


async def test_a_page_is_fifty_unless_asked_and_a_thousand_at_most(leads):
    channel = a_channel()
    await many(leads, 1000, channel=channel)
    await many(leads, 1, channel=channel)
    assert len((await listed(leads, filter=f'channel = "{channel}"')).leads) == 50
    page = await listed(leads, page_size=5000, filter=f'channel = "{channel}"')
    assert len(page.leads) == 1000
    assert page.next_page_token


async def test_a_negative_page_size_is_refused_with_its_field(leads):
    with pytest.raises(InvalidFields) as refused:
        await listed(leads, page_size=-1)
    assert refused.value.violations[0][0] == "page_size"


@given(
    st.integers(1, 4),
    st.lists(st.sampled_from(["insert", "archive seen", "archive unseen", "nothing"]), max_size=8),
)
@settings(max_examples=15, deadline=None)
async def test_every_record_of_the_beginning_is_seen_exactly_once(leads, page_size, between):
    channel = a_channel()
    unseen, seen, archived, token = await many(leads, 9, channel=channel), [], set(), ""
    steps = iter(between)
    while True:
        page = await listed(leads, page_size=page_size, filter=f'channel = "{channel}"', page_token=token)
        seen += [lead.name for lead in page.leads]
        token = page.next_page_token
        if not token:
            break
        match next(steps, "nothing"):
            case "insert":
                await create(leads, channel=channel)
            case "archive seen":
                await archive(leads, seen.pop(0))
                unseen.pop()  # it was the newest: seen, and done with
            case "archive unseen" if set(unseen) - set(seen) - archived:
                archived.add(sorted(set(unseen) - set(seen) - archived)[0])
                await archive(leads, sorted(archived)[-1])
    assert seen == [name for name in unseen[::-1] if name not in archived]


async def test_paging_under_concurrent_inserts_returns_each_record_once(leads):
    """Four writers go on while somebody turns the pages: what was there at the beginning is seen once, in order; what
    comes meanwhile at most once."""
    channel, done = a_channel(), asyncio.Event()
    there = await many(leads, 25, channel=channel)

    async def write() -> None:
        while not done.is_set():
            await create(leads, channel=channel)

    writing = asyncio.gather(*(write() for _ in range(4)))
    seen = await all_names(leads, page_size=2, filter=f'channel = "{channel}"')
    done.set()
    await writing
    assert len(seen) == len(set(seen))
    assert [name for name in seen if name in set(there)] == there[::-1]


async def test_archived_records_are_listed_only_when_asked_for(leads):
    channel = a_channel()
    names = await many(leads, 2, channel=channel)
    await archive(leads, names[0])
    assert await all_names(leads, filter=f'channel = "{channel}"') == [names[1]]
    assert await all_names(leads, filter=f'channel = "{channel}"', show_archived=True) == names[::-1]


async def token_of(leads, by: str, channel: str, **fields) -> str:
    return (await listed(leads, by=by, page_size=1, filter=f'channel = "{channel}"', **fields)).next_page_token


async def test_a_token_of_a_wider_reach_is_refused(leads):
    channel = a_channel()
    await many(leads, 3, channel=channel, owner="users/ana")
    token = await token_of(leads, "users/root", channel)
    with pytest.raises(InvalidFields) as refused:
        await listed(leads, by="users/ana", filter=f'channel = "{channel}"', page_token=token)
    assert refused.value.violations[0][0] == "page_token"


async def test_a_token_of_another_salesperson_is_refused(leads):
    channel = a_channel()
    await many(leads, 3, channel=channel, owner="users/ana")
    token = await token_of(leads, "users/ana", channel)
    with pytest.raises(InvalidFields, match="page_token"):
        await listed(leads, by="users/boris", filter=f'channel = "{channel}"', page_token=token)


@pytest.mark.parametrize("other", [{"filter": ""}, {"show_archived": True}])
async def test_a_token_of_another_question_is_refused(leads, other):
    channel = a_channel()
    await many(leads, 3, channel=channel)
    token = await token_of(leads, "users/root", channel)
    with pytest.raises(InvalidFields, match="page_token"):
        await listed(leads, **({"filter": f'channel = "{channel}"', "page_token": token} | other))


async def test_a_token_may_be_used_with_another_page_size(leads):
    channel = a_channel()
    names = await many(leads, 4, channel=channel)
    token = await token_of(leads, "users/root", channel)
    page = await listed(leads, page_size=2, filter=f'channel = "{channel}"', page_token=token)
    assert [lead.name for lead in page.leads] == [names[2], names[1]]


async def test_no_change_of_a_token_is_another_page(leads):
    """Every letter of a real token replaced, removed, doubled; cut at every place; two tokens spliced: all refused."""
    channel = a_channel()
    await many(leads, 3, channel=channel)
    token = await token_of(leads, "users/root", channel)
    other = (await listed(leads, page_size=2, filter=f'channel = "{channel}"')).next_page_token
    wrong = {token[:at] + swapped(token[at]) + token[at + 1 :] for at in range(len(token))}
    wrong |= {token[:at] + token[at + 1 :] for at in range(len(token))} | {token[:at] for at in range(1, len(token))}
    wrong |= {token[:at] + token[at] + token[at:] for at in range(len(token))}
    wrong |= {token[:at] + other[at:] for at in range(1, len(token)) if token[:at] + other[at:] not in (token, other)}
    wrong -= {token, other}
    for one in sorted(wrong):
        with pytest.raises(InvalidFields, match="page_token"):
            await listed(leads, page_size=1, filter=f'channel = "{channel}"', page_token=one)


@pytest.mark.parametrize("last", ["a", "ab", "abc"])  # so that a token ends in every way base64 can
def test_no_other_last_letter_says_the_same(last):
    token = make_token(b"key", last, "bound")
    for letter in set(string.ascii_letters + string.digits + "-_") - {token[-1]}:
        with pytest.raises(InvalidFields, match="is not a page token"):
            read_token(b"key", token[:-1] + letter, "bound")
    assert read_token(b"key", token, "bound") == last


def swapped(letter: str) -> str:
    return "A" if letter != "A" else "B"
