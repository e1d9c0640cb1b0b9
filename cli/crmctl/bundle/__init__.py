"""`crmctl ops bundle`: what helps others to help, and nothing of a person. Each part is an allow-list of its own."""
