"""What messages about leads say, in the languages people read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from leads.domain.notification import NotificationKind

LANGUAGES = ("en", "bg", "pt", "zh")
MOST_LINES = 50
LONGEST_NAME = 80
LONGEST_SMS = 300  # characters
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")

LINES = {
    "en": {
        NotificationKind.LEAD_ASSIGNED: "You were given a lead: {lead}",
        NotificationKind.RESPONSE_DUE: "Get in touch until {due}: {lead}",
        NotificationKind.SLA_BREACHED: "Nobody got in touch in time: {lead} (was due {due})",
        NotificationKind.CADENCE_STEP_DUE: "The next step is to be done: {lead}",
        NotificationKind.OWN_DATA_UPDATED: "They changed their own data: {lead}",
    },
    "bg": {
        NotificationKind.LEAD_ASSIGNED: "Възложен ви е потенциален клиент: {lead}",
        NotificationKind.RESPONSE_DUE: "Свържете се до {due}: {lead}",
        NotificationKind.SLA_BREACHED: "Никой не се свърза навреме: {lead} (срокът беше {due})",
        NotificationKind.CADENCE_STEP_DUE: "Време е за следващата стъпка: {lead}",
        NotificationKind.OWN_DATA_UPDATED: "Клиентът промени данните си: {lead}",
    },
    "pt": {
        NotificationKind.LEAD_ASSIGNED: "Foi-lhe atribuído um potencial cliente: {lead}",
        NotificationKind.RESPONSE_DUE: "Entre em contacto até {due}: {lead}",
        NotificationKind.SLA_BREACHED: "Ninguém entrou em contacto a tempo: {lead} (prazo: {due})",
        NotificationKind.CADENCE_STEP_DUE: "Está na hora do próximo passo: {lead}",
        NotificationKind.OWN_DATA_UPDATED: "O potencial cliente alterou os seus dados: {lead}",
    },
    "zh": {
        NotificationKind.LEAD_ASSIGNED: "您有一条新分配的线索:{lead}",
        NotificationKind.RESPONSE_DUE: "请在 {due} 之前联系:{lead}",
        NotificationKind.SLA_BREACHED: "未能及时联系:{lead}(截止时间 {due})",
        NotificationKind.CADENCE_STEP_DUE: "该进行下一步跟进了:{lead}",
        NotificationKind.OWN_DATA_UPDATED: "客户自行更新了资料:{lead}",
    },
}
DIGESTS = {"en": "News of your leads: {count}", "bg": "Новини за вашите потенциални клиенти: {count}"}
DIGESTS |= {"pt": "Novidades dos seus potenciais clientes: {count}", "zh": "您的线索有新动态:{count} 条"}
REST = {"en": "and {count} more", "bg": "и още {count}", "pt": "e mais {count}", "zh": "另有 {count} 条"}


@dataclass(frozen=True, kw_only=True)
class News:
    """One thing to tell: of which lead, and until when, in the reader's own time."""

    kind: NotificationKind
    display_name: str
    company: str = ""
    due: datetime | None = None
    link: str = ""


def line(news: News, language: str) -> str:
    """One sentence. What others wrote stands in it on one line, without controls, and not without end."""
    names = [plain(text) for text in (news.display_name, news.company)]
    lead = ", ".join(dict.fromkeys(name for name in names if name)) or "–"
    due = f"{news.due:%Y-%m-%d %H:%M}" if news.due else "–"
    # Not format(): names may hold braces.
    return LINES[language][news.kind].replace("{due}", due).replace("{lead}", lead)


def subject(news: Sequence[News], language: str) -> str:
    if len(news) == 1:
        return line(news[0], language)
    return DIGESTS[language].replace("{count}", str(len(news)))


def letter(news: Sequence[News], language: str) -> str:
    """An e-mail's text: a paragraph for each."""
    paragraphs = ["\n".join(filter(None, (line(one, language), one.link))) for one in news[:MOST_LINES]]
    if len(news) > MOST_LINES:
        paragraphs.append(REST[language].replace("{count}", str(len(news) - MOST_LINES)))
    return "\n\n".join(paragraphs) + "\n"


def short(news: Sequence[News], language: str) -> str:
    """A short message: at most 300 characters; of one that is about one lead the link stays whole."""
    link = f" {news[0].link}" if len(news) == 1 and news[0].link else ""
    return subject(news, language)[: max(LONGEST_SMS - len(link), 0)] + link


def plain(text: str) -> str:
    """A name as it may stand in a line of ours."""
    return " ".join(CONTROLS.sub(" ", text).split())[:LONGEST_NAME]
