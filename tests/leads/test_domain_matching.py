"""How values compare, what a pair scores and why, and that neither depends on who is asked first."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leads.matching.compare import COMPARATORS
from leads.matching.dedupe import find_duplicates
from leads.matching.rules import Comparator, Level, default_rules
from leads.matching.scoring import Verdict, commonness, explain, prepare_record
from leads.matching.values import prepare

LEAD = {
    "name": Comparator.PERSON,
    "company": Comparator.COMPANY,
    "email": Comparator.EMAIL,
    "phone": Comparator.PHONE,
}
SAMPLES = """
Zhang Wei|张伟|章伟|欧阳明|Ouyang Ming|Мария Иванова|Maria Ivanova|Mariya Ivanova|João da Silva|Joao Silva|O'Neil|
Siemens AG|西门子有限公司|Сименс ООД|ул. Иван Вазов 12|12 Main Street|ana@acme.com|+359 2 123 4567|19600210|3765962|
Bob Smith|Robert Smith|Smith, B.|·|.|@|  |٣|ß|İ|ﬁ
""".replace("\n", "").split("|")
texts = st.one_of(
    st.sampled_from(SAMPLES), st.text(max_size=24), st.from_regex(r"[a-z]{1,8}@[a-z]{1,6}\.com", fullmatch=True)
)


def level(comparator: Comparator, one: str, other: str, region: str = "") -> Level | None:
    left, right = prepare(comparator, one, region), prepare(comparator, other, region)
    return COMPARATORS[comparator](left, right) if left and right else None


@pytest.mark.parametrize(
    ("comparator", "one", "other", "expected"),
    [
        # Persons: order, initials, nicknames, scripts.
        (Comparator.PERSON, "Wei Zhang", "zhang wei", Level.SAME),
        (Comparator.PERSON, "张伟", "张伟", Level.SAME),
        (Comparator.PERSON, "张伟", "Zhang Wei", Level.CLOSE),
        (Comparator.PERSON, "张伟", "章伟", Level.PARTLY),
        (Comparator.PERSON, "欧阳明", "Ming Ouyang", Level.CLOSE),
        (Comparator.PERSON, "Мария Иванова", "Maria Ivanova", Level.CLOSE),
        (Comparator.PERSON, "Мария Иванова", "Mariya Ivanova", Level.SAME),
        (Comparator.PERSON, "Щерев Петър", "Petar Shterev", Level.SAME),
        (Comparator.PERSON, "João Conceição", "Joao Conceicao", Level.SAME),
        (Comparator.PERSON, "João da Silva", "João Silva", Level.PARTLY),
        (Comparator.PERSON, "Robert Smith", "Bob Smith", Level.CLOSE),
        (Comparator.PERSON, "R. Smith", "Robert Smith", Level.PARTLY),
        (Comparator.PERSON, "Robert Smith", "Maria Smith", Level.DIFFERENT),
        (Comparator.PERSON, "Георги Петров", "Иван Петров", Level.DIFFERENT),
        (Comparator.NAME, "thompson", "thomson", Level.CLOSE),
        (Comparator.NAME, "de la cruz", "delacruz", Level.SAME),
        (Comparator.NAME, "anna", "peter", Level.DIFFERENT),
        # Companies: legal forms of many countries, trade words, places after the form.
        (Comparator.COMPANY, "Müller GmbH & Co. KG", "Muller", Level.SAME),
        (Comparator.COMPANY, "Petrobras Distribuidora Ltda.", "PETROBRAS DISTRIBUIDORA S.A.", Level.SAME),
        (Comparator.COMPANY, "Софарма ЕООД", "Sopharma Ltd", Level.CLOSE),
        (Comparator.COMPANY, "Булгартабак ООД", "Bulgartabak", Level.SAME),
        (Comparator.COMPANY, "北京字节跳动科技有限公司", "北京字节跳动科技", Level.SAME),
        (Comparator.COMPANY, "Acme N.V., Utrecht, NL", "N. V. Acme", Level.SAME),
        (Comparator.COMPANY, "Acme International", "Acme Holding", Level.CLOSE),
        (Comparator.COMPANY, "AsiaPacific Trading", "Asia Pacific Trading Inc", Level.SAME),
        (Comparator.COMPANY, "Asea Brown Boveri", "ABB", Level.PARTLY),
        (Comparator.COMPANY, "Acme Holding", "Borealis Holding", Level.DIFFERENT),
        # E-mail addresses.
        (Comparator.EMAIL, "Ana@Acme.com", "ana@acme.com", Level.SAME),
        (Comparator.EMAIL, "ana.lima+crm@acme.com", "analima@acme.com", Level.CLOSE),
        (Comparator.EMAIL, "ana.lima@acme.com", "bea@acme.com", Level.PARTLY),
        (Comparator.EMAIL, "ana.lima@qq.com", "bea@qq.com", Level.DIFFERENT),
        (Comparator.EMAIL, "ana.lima@gmail.com", "ana.lima@gmial.com", Level.CLOSE),
        (Comparator.EMAIL, "ana@acme.com", "ana@borealis.com", Level.DIFFERENT),
        # Phones.
        (Comparator.PHONE, "+359 2 123 4567", "00359-2-123-4567", Level.SAME),
        (Comparator.PHONE, "(02) 123 4567", "+359 2 123 4567", Level.SAME),
        (Comparator.PHONE, "123 4567", "+1 312 123 4567", Level.CLOSE),
        (Comparator.PHONE, "5551234567", "5551234576", Level.PARTLY),
        (Comparator.PHONE, "5551234567", "5559876543", Level.DIFFERENT),
        # Addresses: the house number decides.
        (Comparator.ADDRESS, "8601 South State Street", "8601 S. State St.", Level.SAME),
        (Comparator.ADDRESS, "124 E 113 St", "124 E. 113th St.", Level.SAME),
        (Comparator.ADDRESS, "ул. Иван Вазов 12", "Ivan Vazov 12", Level.CLOSE),
        (Comparator.ADDRESS, "Rua Augusta, 1200", "R. Augusta 1200", Level.SAME),
        (Comparator.ADDRESS, "120 Main Street", "121 Main Street", Level.PARTLY),
        (Comparator.ADDRESS, "12 Main Street", "98 Main Street", Level.DIFFERENT),
        # Codes and dates.
        (Comparator.CODE, "6988048", "6988084", Level.CLOSE),
        (Comparator.CODE, "4011", "2634", Level.DIFFERENT),
        (Comparator.CODE, "wa", "sa", Level.DIFFERENT),
        (Comparator.DATE, "1960-02-10", "19600210", Level.SAME),
        (Comparator.DATE, "19601002", "19600210", Level.CLOSE),
        (Comparator.DATE, "19600210", "19751123", Level.DIFFERENT),
    ],
)
def test_two_values_agree_as_well_as_a_person_would_say(comparator, one, other, expected):
    region = "BG" if "359" in one + other else ""
    assert level(comparator, one, other, region) is expected


@pytest.mark.parametrize("comparator", Comparator)
@given(one=texts, other=texts)
def test_it_does_not_matter_who_is_compared_with_whom(comparator, one, other):
    assert level(comparator, one, other) is level(comparator, other, one)


@pytest.mark.parametrize("comparator", Comparator)
@given(text=texts)
def test_every_value_is_the_same_as_itself(comparator, text):
    assert level(comparator, text, text) in (Level.SAME, None)


@pytest.mark.parametrize("comparator", Comparator)
def test_a_value_that_is_missing_says_nothing(comparator):
    assert level(comparator, "", "ana@acme.com 12345678") is None


def pair(one: dict, other: dict, common=None):
    rules = default_rules(LEAD, 10_000)
    return explain(prepare_record(one, rules, "BG"), prepare_record(other, rules, "BG"), rules, common or {}), rules


def test_a_match_says_what_was_compared_and_what_it_was_worth():
    match, rules = pair(
        {"name": "Мария Иванова", "email": "m@acme.bg", "phone": "02 123 4567"},
        {"name": "Mariya Ivanova", "email": "m@acme.bg", "company": "Acme"},
    )
    assert match.verdict(rules) is Verdict.REVIEW
    assert [(line.field, line.level) for line in match.evidence] == [("email", Level.SAME), ("name", Level.SAME)]
    assert match.evidence[1].one == "мария иванова"
    assert match.score == pytest.approx(rules.prior + sum(line.points for line in match.evidence))


def test_who_agrees_in_all_fields_may_be_merged_without_asking():
    ana = {"name": "Ana Lima", "company": "Acme Ltda", "email": "ana@acme.com.br", "phone": "+55 11 91234 5678"}
    match, rules = pair(ana, ana)
    assert match.verdict(rules) is Verdict.AUTO


def test_a_shared_name_alone_is_no_duplicate():
    match, rules = pair({"name": "Иван Иванов"}, {"name": "Иван Иванов"})
    assert match.verdict(rules) is Verdict.DISTINCT


def test_a_number_that_many_share_says_less():
    one, other = {"phone": "+35921234567"}, {"phone": "+35921234567"}
    usual, _ = pair(one, other)
    switchboard, _ = pair(
        one, other, commonness({(3, "35921234567"): 48} | {(3, str(other)): 1 for other in range(100)})
    )
    assert usual.score - switchboard.score == pytest.approx(4.0, abs=0.1)
    assert commonness({(3, "35921234567"): 2}) == {}


PEOPLE = [
    {"name": "Ana Lima", "company": "Acme Ltda", "email": "ana@acme.com"},
    {"name": "Lima, Ana", "company": "ACME", "email": "ana@acme.com"},
    {"name": "张伟", "company": "北京字节跳动科技有限公司", "phone": "+86 138 0013 8000"},
    {"name": "Zhang Wei", "company": "北京字节跳动", "phone": "138 0013 8000"},
    {"name": "Мария Иванова", "company": "Софарма ЕООД", "email": "m.ivanova@sopharma.bg"},
    {"name": "Mariya Ivanova", "company": "Sopharma", "email": "m.ivanova@sopharma.bg"},
    {"name": "Robert Smith", "company": "Borealis", "phone": "+1 312 386 5286"},
    {"name": "Ana Costa", "company": "Acme Ltda"},
    {},
]


def test_duplicates_are_found_across_scripts_and_others_are_left_alone():
    found = find_duplicates(PEOPLE, default_rules(LEAD, 1_000), "CN", learn=False)
    assert sorted(found.groups) == [[0, 1], [2, 3], [4, 5], [6], [7], [8]]


@settings(deadline=None)
@given(order=st.permutations(range(len(PEOPLE))))
def test_groups_do_not_depend_on_the_order_of_the_records(order):
    found = find_duplicates([PEOPLE[at] for at in order], default_rules(LEAD, 1_000), "CN")
    back = sorted(sorted(order[at] for at in group) for group in found.groups)
    straight = find_duplicates(PEOPLE, default_rules(LEAD, 1_000), "CN")
    assert back == sorted(straight.groups)


def test_a_chain_of_likenesses_is_not_one_person():
    """Each is like the next, but the first has nothing of the last."""
    fields = {"a": Comparator.CODE, "b": Comparator.CODE, "c": Comparator.CODE, "d": Comparator.CODE}
    rules = default_rules(fields, 100)
    chain = [
        {"a": "1111111", "b": "2222222", "c": "3333333", "d": "4444444"},
        {"a": "1111111", "b": "2222222", "c": "3333333", "d": "9999999"},
        {"a": "7777777", "b": "2222222", "c": "3333333", "d": "9999999"},
        {"a": "7777777", "b": "8888888", "c": "3333333", "d": "9999999"},
        {"a": "7777777", "b": "8888888", "c": "6666666", "d": "9999999"},
    ]
    groups = find_duplicates(chain, rules, learn=False).groups
    together = next(group for group in groups if 0 in group)
    assert 1 in together
    assert 4 not in together


def test_nothing_at_all_has_no_duplicates():
    assert find_duplicates([], default_rules(LEAD, 0)).groups == []
    assert find_duplicates([{}, {}], default_rules(LEAD, 2)).groups == [[0], [1]]
