"""`crmctl ops doctor`: looks at every part of an installation at once and says what is wrong and what to do."""
