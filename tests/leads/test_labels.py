"""Labels decide: lists, segments, files, who gets a lead and what it is worth ask for them."""

import unicodedata

import pytest
from assignment_desk import a_policy, owned
from chassis.errors import InvalidFields
from chassis.values import new_id
from crm.leads.v1 import leads_pb2, merges_pb2, scores_pb2, segments_pb2
from harness import PEOPLE, start, until
from hypothesis import given, settings
from hypothesis import strategies as st
from lead_calls import a_channel, all_names, create, update

# Names and texts in which a wrong quoting, a split at a dot, or a normal form would show.
NAMES = ["vip", "size", "company size", "a.b", 'a"b', "a:b", "$1", "' OR 1=1", "\\", "размер", "客户", "ação", "labels"]
TEXTS = ["", "large", "x y", 'a"b', "a\\b", "%", "'; DROP TABLE label; --", "голям", "大", "não", "AND", "*"]


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.fixture(scope="module")
async def leads(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    yield running
    await running.stop()


@pytest.fixture(scope="module")
async def rows(leads):
    """Leads of one channel: each name says several texts, some have all names, one has no label."""
    channel = a_channel()
    labels = [{name: TEXTS[(place + turn) % len(TEXTS)]} for place, name in enumerate(NAMES) for turn in (0, 1)]
    labels += [dict.fromkeys(NAMES, text) for text in TEXTS] + [{}]
    made = [leads_pb2.Lead(display_name="x", channel=channel, labels=one) for one in labels]
    await leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=made))
    page = leads_pb2.ListLeadsRequest(page_size=1000, filter=f'channel = "{channel}"')
    found = (await leads.call("LeadService/ListLeads", page, by="users/root")).leads
    assert len(found) == len(labels)
    return found


def holds(lead, name, sign, text):
    if sign == "has":
        return name in lead.labels
    return name in lead.labels and (lead.labels[name] == text) is (sign in "=:")


CONDITION = st.tuples(st.sampled_from(NAMES), st.sampled_from(["has", "=", ":", "!="]), st.sampled_from(TEXTS))


def said(name, sign, text):
    return f"labels:{quoted(name)}" if sign == "has" else f"labels.{quoted(name)} {sign} {quoted(text)}"


@given(st.lists(CONDITION, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
async def test_a_condition_about_labels_means_in_sql_what_it_means_in_python(leads, rows, conditions):
    expected = [lead.name for lead in rows if all(holds(lead, *one) for one in conditions)]
    asked = " AND ".join([f'channel = "{rows[0].channel}"', *(said(*one) for one in conditions)])
    assert await all_names(leads, filter=asked) == expected


async def test_a_label_is_asked_in_plain_words_as_well(leads, rows):
    for text, name, value in (("labels:vip", "vip", None), ("labels.size = large", "size", "large")):
        expected = [one.name for one in rows if name in one.labels and value in (None, one.labels[name])]
        assert expected
        assert await all_names(leads, filter=text) == expected
    assert await all_names(leads, filter="labels.a.b:large") == await all_names(leads, filter='labels."a.b" = large')


async def test_both_spellings_of_a_letter_are_the_same_label(leads):
    lead = await create(leads, labels={"região": "são"})
    apart = unicodedata.normalize("NFD", 'labels."região" = "são"')
    assert await all_names(leads, filter=apart) == [lead.name]


async def test_a_label_that_changes_is_found_by_what_it_says_now(leads):
    lead = await create(leads, labels={"tier": "old", "kept": "yes"})
    await update(leads, lead.name, labels={"tier": "new", "kept": "yes"})
    assert await all_names(leads, filter="labels.tier = old AND labels:kept") == []
    assert await all_names(leads, filter="labels.tier = new AND labels:kept") == [lead.name]
    await update(leads, lead.name, labels={})
    assert await all_names(leads, filter="labels:tier") == []


async def test_labels_of_merged_leads_are_found_at_the_survivor_and_return_with_an_undo(leads):
    one, other = await create(leads), await create(leads, labels={"brought": "along"})
    merged = merges_pb2.MergeLeadsRequest(name=one.name, merged=[{"name": other.name}])
    await leads.call("MergeService/MergeLeads", merged, by="users/root")
    assert await all_names(leads, filter="labels.brought = along") == [one.name]
    await leads.call("MergeService/UndoMerge", merges_pb2.UndoMergeRequest(name=one.name), by="users/root")
    assert await all_names(leads, filter="labels.brought = along") == [other.name]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("labels = vip", "asked by name"),
        ("labels > vip", "asked by name"),
        ("labels.size > large", "ask with = : !="),
        ('labels:""', "has a name"),
        ('labels."" = x', "has a name"),
        ("labels. = x", "has a name"),
        ('labels."size"', "a field, an operator and a value"),
        ('labels "size" = x', "near"),
    ],
)
async def test_a_filter_by_labels_that_cannot_be_met_says_why(leads, text, why):
    with pytest.raises(InvalidFields) as refused:
        await all_names(leads, filter=text)
    assert why in refused.value.violations[0][1]


async def test_a_segment_is_of_the_leads_with_a_label(leads):
    lead = await create(leads, labels={"fair": "2026"})
    segment = {"display_name": f"Fair {new_id()}", "filter": 'labels.fair = "2026"'}
    made = segments_pb2.CreateLeadSegmentRequest(lead_segment=segment)
    kept = await leads.call("LeadSegmentService/CreateLeadSegment", made, by="users/root")
    asked = segments_pb2.ListSegmentLeadsRequest(parent=kept.name)
    page = await leads.call("LeadSegmentService/ListSegmentLeads", asked, by="users/root")
    assert [one.name for one in page.leads] == [lead.name]


async def test_a_file_holds_the_leads_with_a_label(leads):
    lead = await create(leads, labels={"exported": ""})
    asked = leads_pb2.ExportLeadsRequest(filter="labels:exported")
    body = await leads.call("LeadService/ExportLeads", asked, by="users/root")
    assert [row.split(",")[0] for row in body.data.decode("utf-8-sig").splitlines()[1:]] == [lead.name]


async def test_leads_of_a_tier_go_to_its_people_whatever_the_label_says(fresh):
    tagged = {"fact": "LABEL", "label": "vip"}
    large = {"fact": "LABEL", "label": "size", "any_of": ["large"]}
    await a_policy(
        fresh,
        {"rule": "vip", "people": ["users/ana"], "conditions": [tagged]},
        {"rule": "large", "people": ["users/boris"], "conditions": [large]},
        {"rule": "rest", "people": ["users/chen"]},
    )
    for labels, person in (({"vip": ""}, "ana"), ({"vip": "no"}, "ana"), ({"size": "Large"}, "boris"), ({}, "chen")):
        lead = await create(fresh, labels=labels)
        assert (await owned(fresh, lead.name)).owner == f"users/{person}"


async def test_a_rule_that_asks_nothing_of_a_text_that_is_no_label_is_refused(fresh):
    rule = {"rule": "x", "people": ["users/ana"], "conditions": [{"fact": "CHANNEL"}]}
    with pytest.raises(InvalidFields):
        await a_policy(fresh, rule, active=False)


async def test_a_tag_that_says_nothing_is_worth_its_points(leads):
    filled = {"rule": "vip", "points": 40, "conditions": [{"field": "labels.tagged", "test": "FILLED"}]}
    rules = scores_pb2.UpdateScoreSettingsRequest(score_settings={"rules": [filled]})
    await leads.call("ScoreService/UpdateScoreSettings", rules, by="users/root")
    tagged, plain = await create(leads, labels={"tagged": ""}), await create(leads)

    async def points(lead):
        async def scored():
            rows = await leads.rows("SELECT points FROM lead_scores WHERE lead = $1", lead.name)
            return [row["points"] for row in rows]

        return await until(scored, "it is scored")

    assert (await points(tagged), await points(plain)) == ([40], [0])
