"""crmctl: the suite from a terminal."""
