"""E-mail: one SMTP server, plain text, a Message-ID that is the same at every try."""

from dataclasses import dataclass
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.mime.text import MIMEText
from email.utils import format_datetime, parseaddr
from urllib.parse import unquote, urlsplit

from chassis.values import utc_now

from leads.outgoing.outside import SECONDS, OutsideAway, OutsideRefused
from leads.outgoing.providers import Letter, Misconfigured

SCHEMES = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}


@dataclass(frozen=True, repr=False)
class MailServer:
    """Where mail is handed in. Never shown: it holds a password."""

    host: str
    port: int
    scheme: str
    username: str
    password: str
    sender: str

    @classmethod
    def configured(cls, url: str, sender: str) -> "MailServer":
        """From `smtps://user:password@host:port`; `smtp+starttls://` begins in plain and insists on TLS, `smtp://`
        stays in plain and has no password."""
        try:
            parts = urlsplit(url)
            port = parts.port or SCHEMES[parts.scheme]
        except (KeyError, ValueError):
            raise Misconfigured("SMTP_URL begins with smtps://, smtp+starttls:// or smtp:// and a host.") from None
        if not parts.hostname:
            raise Misconfigured("SMTP_URL names no host.")
        if parts.username and parts.scheme == "smtp":
            raise Misconfigured("SMTP_URL would send a password that everybody can read: smtps:// or smtp+starttls://.")
        if "@" not in parseaddr(sender)[1]:
            raise Misconfigured("MAIL_FROM is the address mail comes from, such as CRM <crm@example.com>.")
        login = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.hostname, port, parts.scheme, *login, sender)

    async def send(self, letter: Letter) -> None:
        import aiosmtplib  # only who sends pays for it

        try:
            to = spelled(letter.to)
            await aiosmtplib.send(
                self._message(letter, to),
                sender=parseaddr(self.sender)[1],
                recipients=[to],
                hostname=self.host,
                port=self.port,
                username=self.username or None,
                password=self.password or None,
                use_tls=self.scheme == "smtps",
                start_tls=self.scheme == "smtp+starttls",
                timeout=SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            raise _told(max((one.code for one in refused.recipients), default=550)) from None
        except aiosmtplib.SMTPAuthenticationError as refused:
            raise OutsideAway(f"SMTP {refused.code} LOGIN") from None  # until somebody mends the settings
        except aiosmtplib.SMTPResponseException as answered:
            raise _told(answered.code) from None
        except aiosmtplib.SMTPNotSupported:
            raise OutsideRefused("SMTP UNSUPPORTED") from None
        except (aiosmtplib.SMTPException, OSError):
            raise OutsideAway("SMTP UNREACHABLE") from None
        except (ValueError, IndexError, MessageError):  # of an address that is none
            raise OutsideRefused("UNFIT_ADDRESS") from None

    def _message(self, letter: Letter, to: str) -> MIMEText:
        """Not an EmailMessage: that one loses spaces where it breaks a subject that is not ASCII."""
        message = MIMEText(letter.text, "plain", "utf-8")
        message["From"] = self.sender
        message["Subject"] = Header(letter.subject, "utf-8", header_name="Subject").encode()
        message["To"] = to
        message["Date"] = format_datetime(utc_now())
        message["Message-ID"] = f"<{letter.id}@{parseaddr(self.sender)[1].rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # no answering machine answers
        return message


def spelled(address: str) -> str:
    """One address as mail servers everywhere read it: its domain in ASCII. ValueError, IndexError or MessageError if it
    is none, or if what stands before the @ is not ASCII."""
    local, _, domain = address.rpartition("@")
    found = Address(addr_spec=f"{local}@{domain.encode('idna').decode()}")
    return found.addr_spec.encode("ascii").decode()


def _told(code: int) -> Exception:
    """4xx passes by itself, 5xx does not."""
    return OutsideRefused(f"SMTP {code}") if code >= 500 else OutsideAway(f"SMTP {code}")
