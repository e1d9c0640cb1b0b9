"""What the gateway and the services say to each other beside the contract."""

# Metadata of a call whose caller takes a page as JSON text, see json_pages. The text begins with a brace; no message of
# the suite does, since that would be a group.
JSON_PAGE = ("crm-accept", "json-page")
