"""The documentation page: one file of our own, without anything from another site."""

from pathlib import Path

PAGE = (Path(__file__).parent / "docs.html").read_bytes()
PAGE_HEADERS = {
    # The page may talk to this gateway and to nobody else; its script and style are inside it.
    "content-security-policy": "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
